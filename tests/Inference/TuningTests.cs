using ImageSearch.Inference.Tuning;

namespace ImageSearch.Inference.Tests;

/// <summary>Made-up spaces in which it is known what separates pictures from texts.</summary>
public class TuningTests
{
    private const int Size = 16;

    [Fact]
    public void A_rotation_between_pictures_and_texts_is_undone()
    {
        var (pairs, others) = Space(150, related: true);
        var outcome = Tuner.Tune(pairs, others, logitScale: 20);
        Assert.True(outcome.Improved, outcome.Method);
        Assert.Equal((120, 30, 30), (outcome.TrainingPairs, outcome.HeldOutPairs, outcome.HeldOutPictures));
        Assert.InRange(outcome.Of("R@10").Before, 0, 0.3);
        Assert.InRange(outcome.Of("R@10").After, 0.9, 1);
        Assert.InRange(outcome.Of("MRR").Low, 0.5, 1);

        var corrected = outcome.Correction!.Apply(pairs[0].Picture);
        Assert.Equal(1, Length(corrected), 1e-5);
    }

    [Fact]
    public void Only_as_much_of_a_correction_is_applied_as_its_gain_needs()
    {
        // Every picture is its text, a push of varying length in one direction, and noise: most of the push taken away is nearly as good as all of it.
        var random = new Random(3);
        var push = UnitVectors.Normalise(Gaussian(random));
        float[] Pushed(float[] text) => UnitVectors.Normalise([.. text.Zip(push, (t, p) => t + (4 * p * (float)random.NextDouble()) + (0.15f * (float)Normal(random)))]);
        TuningPair[] pairs = [.. Enumerable.Range(1, 150).Select(i => UnitVectors.Normalise(Gaussian(random))).Select((t, i) => new TuningPair(i, $"text {i}", Pushed(t), t))];
        var outcome = Tuner.Tune(pairs, [.. Enumerable.Range(1000, 250).Select(i => new StoredPicture(i, Pushed(UnitVectors.Normalise(Gaussian(random)))))], logitScale: 20);
        Assert.True(outcome is { Correction: not null, Share: < 1 }, $"{outcome.Method}: {outcome.Of("MRR")}");
    }

    [Fact]
    public void A_part_of_a_correction_lies_on_the_way_to_the_whole()
    {
        var whole = new LinearCorrection([0, 2, -1, 0.5f], [1, -1]);
        Assert.Equal([3f, 4f], whole.Part(0, 1).Map([3, 4]));
        Assert.Equal(whole.Map([3, 4]), whole.Part(1, 1).Map([3, 4]));
        Assert.Equal([(3 + 9f) / 2, (4 - 2f) / 2], whole.Part(0.5f, 1).Map([3, 4]));
        Assert.Equal([(3 + 4.5f) / 2, (4 - 1f) / 2], whole.Part(0.5f, 2).Map([3, 4]));
    }

    [Fact]
    public void The_same_pairs_give_the_same_correction()
    {
        var (pairs, others) = Space(30, related: true);
        var (first, second) = (Tuner.Tune(pairs, others, 20), Tuner.Tune(pairs, others, 20));
        Assert.Equal(10, first.HeldOutPictures);
        Assert.Equal(first.Correction?.Weights, second.Correction?.Weights);
        Assert.Equal(first.Gains, second.Gains);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_pairs_are_refused(int seed)
    {
        var (pairs, others) = Space(60, related: false, seed);
        var outcome = Tuner.Tune(pairs, others, logitScale: 20);
        Assert.False(outcome.Improved, $"{outcome.Method}: {outcome.Of("MRR")}");
    }

    [Fact]
    public void A_model_that_is_right_already_is_left_alone()
    {
        var (pairs, others) = Space(60, related: true);
        TuningPair[] right = [.. pairs.Select(p => p with { TextVector = p.Picture })];
        var outcome = Tuner.Tune(right, others, logitScale: 20);
        Assert.Null(outcome.Correction);
        Assert.False(outcome.Improved);
        Assert.Equal(1, outcome.Of("R@1").After);
    }

    [Fact]
    public void Too_few_pictures_are_refused_however_many_pairs()
    {
        var (pairs, others) = Space(29, related: true);
        TuningPair[] twice = [.. pairs, .. pairs.Select(p => p with { })];
        Assert.Contains("29 different pictures", Assert.Throws<InvalidDataException>(() => Tuner.Tune(twice, others, 20)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_with_the_same_text_do_not_count_against_each_other()
    {
        float[] dog = [1, 0], cat = [0, 1];
        TuningPair[] pairs = [new(1, "Dog", dog, dog), new(2, "dog ", [0.8f, 0.6f], dog), new(3, "cat", cat, cat)];
        var alone = new RetrievalTask([pairs[1], pairs[2]], [new(1, dog), new(9, [0.9f, MathF.Sqrt(0.19f)])], pairs);
        Assert.Equal([2, 1], alone.Ranks(null));
        Assert.Equal(4, alone.GallerySize);
    }

    [Fact]
    public void The_interval_covers_no_gain_when_as_many_fall_as_rise()
    {
        long[] pictures = [.. Enumerable.Range(0, 40).Select(i => (long)i)];
        int[] before = [.. pictures.Select(i => i % 2 == 0 ? 1 : 20)], after = [.. pictures.Select(i => i % 2 == 0 ? 20 : 1)];
        var none = RankComparison.Compare(pictures, before, after, 1).Single(g => g.Measure == "R@10");
        Assert.Equal((0.5, 0.5), (none.Before, none.After));
        Assert.InRange(none.Low, -0.4, -0.1);
        Assert.InRange(none.High, 0.1, 0.4);
        var gain = RankComparison.Compare(pictures, before, [.. pictures.Select(_ => 1)], 1).Single(g => g.Measure == "R@10");
        Assert.Equal(0.5, gain.Difference);
        Assert.InRange(gain.Low, 0.3, 0.5);
    }

    [Fact]
    public void Ranks_by_chance_seldom_pass()
    {
        // 12 pictures, where the bootstrap's interval alone lets through about 10 %.
        var random = new Random(7);
        int[] Ranks() => [.. Enumerable.Range(0, 12).Select(_ => random.Next(1, 261))];
        long[] pictures = [.. Enumerable.Range(0, 12).Select(i => (long)i)];
        var passed = Enumerable.Range(0, 150).Count(i => RankComparison.Compare(pictures, Ranks(), Ranks(), i).Single(g => g.Measure == "MRR").Chance <= TuningOutcome.MaxChance);
        Assert.InRange(passed, 0, 8);
    }

    [Fact]
    public void A_strong_ridge_is_the_identity_and_a_weak_one_the_map_itself()
    {
        var (pairs, _) = Space(300, related: true);
        float[][] pictures = [.. pairs.Select(p => p.Picture)], texts = [.. pairs.Select(p => p.TextVector)];
        var ridge = new RidgeFit(pictures, texts);
        var strong = ridge.Solve(1e9);
        for (var i = 0; i < strong.Length; i++)
        {
            Assert.Equal(i % (Size + 1) == 0 ? 1 : 0, strong[i], 1e-4f);
        }

        // Texts are the pictures turned and scaled anew, with noise: a weak ridge brings them close.
        var weak = ridge.Around(ridge.Solve(1e-3), ridge.TextMean);
        var error = pictures.Zip(texts, (p, t) => weak.Map(p).Zip(t, (a, b) => (a - b) * (a - b)).Sum()).Average();
        Assert.InRange(error, 0, 0.3);
        var untouched = pictures.Zip(texts, (p, t) => p.Zip(t, (a, b) => (a - b) * (a - b)).Sum()).Average();
        Assert.True(untouched > 3 * error, $"{untouched} {error}");
    }

    [Fact]
    public void Contrastive_steps_alone_find_the_map_too()
    {
        var (pairs, others) = Space(150, related: true);
        var start = LinearCorrection.Shift(new float[Size]);
        var task = new RetrievalTask(pairs[..40], others, pairs);
        var steps = new ContrastiveFit(pairs[40..], start, rank: 16, logitScale: 20, seed: 1).Run([1, 200], default).ToArray();
        Assert.InRange(RetrievalTask.MeanReciprocalRank(task.Ranks(steps[0].Correction)), 0, 0.2);
        Assert.InRange(RetrievalTask.MeanReciprocalRank(task.Ranks(steps[1].Correction)), 0.5, 1);
    }

    /// <summary>Pictures are texts through a fixed orthogonal map, stretched along some axes, plus a common mean and noise; or nothing of the kind.</summary>
    private static (TuningPair[] Pairs, StoredPicture[] Others) Space(int count, bool related, int seed = 1)
    {
        var random = new Random(seed);
        var turn = Rotation(random);
        var mean = Gaussian(random);
        float[] Picture(float[] text)
        {
            var picture = new float[Size];
            for (var i = 0; i < Size; i++)
            {
                for (var j = 0; j < Size; j++)
                {
                    picture[i] += turn[i][j] * text[j] * (j < Size / 2 ? 2f : 1f);
                }

                picture[i] += (0.1f * mean[i]) + (0.02f * (float)Normal(random));
            }

            return UnitVectors.Normalise(picture);
        }

        TuningPair[] pairs = [.. Enumerable.Range(1, count).Select(i =>
        {
            var text = UnitVectors.Normalise(Gaussian(random));
            return new TuningPair(i, $"text {i}", Picture(related ? text : UnitVectors.Normalise(Gaussian(random))), text);
        })];
        return (pairs, [.. Enumerable.Range(10_000, 250).Select(i => new StoredPicture(i, Picture(UnitVectors.Normalise(Gaussian(random)))))]);
    }

    private static float[][] Rotation(Random random)
    {
        // Gram-Schmidt on random rows.
        var rows = new List<float[]>();
        while (rows.Count < Size)
        {
            var row = Gaussian(random);
            foreach (var other in rows)
            {
                var along = row.Zip(other, (a, b) => a * b).Sum();
                row = [.. row.Zip(other, (a, b) => a - (along * b))];
            }

            rows.Add(UnitVectors.Normalise(row));
        }

        return [.. rows];
    }

    private static float[] Gaussian(Random random) => [.. Enumerable.Range(0, Size).Select(_ => (float)Normal(random))];

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static double Length(float[] vector) => Math.Sqrt(vector.Sum(v => (double)v * v));
}
