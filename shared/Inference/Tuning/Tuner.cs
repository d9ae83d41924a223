using System.Globalization;
using System.Numerics.Tensors;

namespace ImageSearch.Inference.Tuning;

/// <summary>A picture of the collection and a text that says what it shows.</summary>
/// <param name="Picture">Its stored unit vector.</param>
/// <param name="TextVector">The text as a query: a unit vector of the same length.</param>
public sealed record TuningPair(long Image, string Text, float[] Picture, float[] TextVector)
{
    internal string TextKey { get; } = Text.Trim().ToLowerInvariant();
}

/// <summary>A picture of the collection without a text.</summary>
public sealed record StoredPicture(long Image, float[] Vector);

/// <summary>What tuning found.</summary>
/// <param name="Correction">Null when none helped on the inner split.</param>
/// <param name="Method">In words.</param>
/// <param name="Share">How much of the fitted correction is applied, 0 to 1: see <see cref="LinearCorrection.Part"/>.</param>
/// <param name="RepeatedTexts">Held-out pairs whose text is also the text of a training picture.</param>
/// <param name="Gallery">Pictures among which each held-out text looks for its own.</param>
/// <param name="Gains">On the held-out pairs.</param>
/// <param name="Similarity">Mean cosine between a stored vector and its corrected one.</param>
public sealed record TuningOutcome(
    LinearCorrection? Correction, string Method, float Share, int TrainingPairs, int HeldOutPairs, int HeldOutPictures, int RepeatedTexts, int Gallery, IReadOnlyList<Gain> Gains, double Similarity)
{
    /// <summary>Largest probability of a gain by chance.</summary>
    public const double MaxChance = 0.02;

    /// <summary>The one rule for all: MRR rises, its 90 % interval is above zero, chance explains it in at most 2 of 100 cases, and R@10 does not fall.</summary>
    public bool Improved => Correction is not null && Of("MRR") is { Low: > 0, Chance: <= MaxChance } && Of("R@10").Difference >= 0;

    public Gain Of(string measure) => Gains.Single(g => g.Measure == measure);
}

/// <summary>
/// Fits corrections on the training pictures, chooses one by three-fold cross-validation inside them, and judges it once on held-out pictures. A picture with several texts is wholly on
/// one side. The same pairs give the same outcome.
/// </summary>
public static class Tuner
{
    public const int MinPictures = 30;
    public const int MinHeldOut = 10;
    public const int MaxDimensions = 1536;

    /// <summary>Pictures without text among which the judge hides the right one.</summary>
    public const int MaxDistractors = 2000;

    /// <summary>As many again are worth passing for the inner split.</summary>
    public const int InnerDistractors = 500;

    /// <summary>Gain of the whole correction that the applied part of it has to keep, inside the training pictures.</summary>
    public const double KeptGain = 0.9;

    private const int Folds = 3;
    private const int Seed = 1;
    private const int Rank = 16;

    private static readonly double[] Strengths = [0.1, 0.3, 1, 3, 10, 30, 100, 300];
    private static readonly int[] Steps = [25, 50, 100, 200];
    private static readonly float[] Shares = [0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1];

    private enum Centre
    {
        Pictures,
        Texts,
        Origin,
    }

    /// <param name="pairs">At least <see cref="MinPictures"/> distinct pictures.</param>
    /// <param name="stored">A random sample of all stored pictures; those of <paramref name="pairs"/> may be among them.</param>
    /// <param name="logitScale">The model's.</param>
    /// <param name="holdout">Share of the pictures to judge on, 0.1 to 0.5; at least <see cref="MinHeldOut"/> pictures.</param>
    /// <exception cref="InvalidDataException">Too few pictures, or vectors too wide.</exception>
    public static TuningOutcome Tune(
        IReadOnlyList<TuningPair> pairs, IReadOnlyList<StoredPicture> stored, float logitScale, double holdout = 0.2, IProgress<string>? progress = null, CancellationToken ct = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(holdout, 0.1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(holdout, 0.5);
        var images = pairs.Select(p => p.Image).Distinct().Order().ToArray();
        if (images.Length < MinPictures)
        {
            throw new InvalidDataException($"The pairs name {images.Length} different pictures; {MinPictures} are the least that can be learned from and judged on.");
        }

        if (pairs[0].Picture.Length > MaxDimensions)
        {
            throw new InvalidDataException($"The model has {pairs[0].Picture.Length} dimensions; tuning is made for {MaxDimensions} at most.");
        }

        new Random(Seed).Shuffle(images);
        var heldOut = images.Take(Math.Max(MinHeldOut, (int)Math.Round(images.Length * holdout))).ToHashSet();
        TuningPair[] training = [.. pairs.Where(p => !heldOut.Contains(p.Image))];
        TuningPair[] judged = [.. pairs.Where(p => heldOut.Contains(p.Image))];
        var others = stored.Where(s => !heldOut.Contains(s.Image)).ToArray();

        // Apart from each other, so that what the choice has seen is not what it is judged on.
        var inner = others[..Math.Min(InnerDistractors, others.Length / 5)];
        var judge = new RetrievalTask(judged, others[inner.Length..].Take(MaxDistractors), pairs);

        var (choice, share) = Choose(training, inner, images.Where(i => !heldOut.Contains(i)).ToArray(), logitScale, progress, ct);
        var correction = choice is null ? null : Part(Fit(choice, training, logitScale, ct), share, training);
        var before = judge.Ranks(null);
        var gains = RankComparison.Compare([.. judged.Select(p => p.Image)], before, correction is null ? before : judge.Ranks(correction), Seed);
        var known = training.Select(p => p.TextKey).ToHashSet();
        return new(
            correction, choice is null ? "none" : string.Create(CultureInfo.InvariantCulture, $"{choice}, {share:P0} of it"), share, training.Length, judged.Length, heldOut.Count, judged.Count(p => known.Contains(p.TextKey)), judge.GallerySize, gains,
            correction is null ? 1 : judged.Average(p => TensorPrimitives.Dot<float>(p.Picture, correction.Apply(p.Picture))));
    }

    /// <summary>
    /// The least part of a correction that keeps nearly all of its gain is applied: what a correction learns from a narrow set of pairs moves every other picture too,
    /// and the last bit of gain costs other queries most.
    /// </summary>
    /// <returns>The candidate of the highest mean reciprocal rank over the folds, and the part of it to apply; null when the best is the model as it is.</returns>
    private static (Candidate? Candidate, float Share) Choose(TuningPair[] training, StoredPicture[] inner, long[] images, float logitScale, IProgress<string>? progress, CancellationToken ct)
    {
        var totals = new Dictionary<Candidate, double>();
        var untouched = 0.0;
        List<(RetrievalTask Task, TuningPair[] Fitted)> folds = [];
        for (var f = 0; f < Folds; f++)
        {
            var part = images.Where((_, i) => i % Folds == f).ToHashSet();
            var task = new RetrievalTask([.. training.Where(p => part.Contains(p.Image))], inner.Where(s => !part.Contains(s.Image)), training);
            folds.Add((task, [.. training.Where(p => !part.Contains(p.Image))]));
            untouched += RetrievalTask.MeanReciprocalRank(task.Ranks(null)) / Folds;
        }

        void Score(IEnumerable<Candidate> candidates, string what)
        {
            foreach (var (task, rest) in folds)
            {
                foreach (var (candidate, correction) in FitAll([.. candidates], rest, logitScale, ct))
                {
                    ct.ThrowIfCancellationRequested();
                    totals[candidate] = totals.GetValueOrDefault(candidate) + (RetrievalTask.MeanReciprocalRank(task.Ranks(correction)) / Folds);
                }
            }

            progress?.Report(string.Create(CultureInfo.InvariantCulture, $"{what}: best inner MRR {totals.Values.Max():0.0000} (as it is {untouched:0.0000})"));
        }

        Score(from c in Enum.GetValues<Centre>() from s in Strengths.Append(double.PositiveInfinity) select new Candidate(c, s, 0, 0), "ridge regression");
        var ridge = totals.MaxBy(t => t.Value).Key;
        Score(from s in Steps select new Candidate(Centre.Pictures, double.PositiveInfinity, Rank, s), "contrastive steps");
        Score(from s in Steps select ridge with { Rank = Rank, Steps = s }, "contrastive steps after ridge regression");
        var best = totals.MaxBy(t => t.Value);
        if (best.Value <= untouched)
        {
            return (null, 0);
        }

        var corrections = folds.ConvertAll(f => (f.Task, f.Fitted, Whole: Fit(best.Key, f.Fitted, logitScale, ct)));
        var reached = Shares.Select(s => corrections.Average(c => RetrievalTask.MeanReciprocalRank(c.Task.Ranks(Part(c.Whole, s, c.Fitted))))).ToArray();
        var enough = untouched + (KeptGain * (reached.Max() - untouched));
        return (best.Key, Shares[Array.FindIndex(reached, r => r >= enough)]);
    }

    private static LinearCorrection Part(LinearCorrection whole, float share, TuningPair[] pairs) => whole.Part(share, pairs.Average(p => TensorPrimitives.Norm<float>(whole.Map(p.Picture))));

    private static LinearCorrection Fit(Candidate candidate, TuningPair[] pairs, float logitScale, CancellationToken ct) => FitAll([candidate], pairs, logitScale, ct).Single().Correction;

    /// <summary>Fits candidates that share a regression or a run of steps together.</summary>
    private static IEnumerable<(Candidate Candidate, LinearCorrection Correction)> FitAll(Candidate[] candidates, TuningPair[] pairs, float logitScale, CancellationToken ct)
    {
        var ridge = new RidgeFit([.. pairs.Select(p => p.Picture)], [.. pairs.Select(p => p.TextVector)]);
        foreach (var sameStrength in candidates.GroupBy(c => c.Strength))
        {
            var weights = double.IsInfinity(sameStrength.Key) ? LinearCorrection.Shift(new float[ridge.PictureMean.Length]).Weights : ridge.Solve(sameStrength.Key);
            foreach (var group in sameStrength.GroupBy(c => (c.Centre, c.Rank)))
            {
                var start = ridge.Around(weights, group.Key.Centre switch
                {
                    Centre.Pictures => ridge.PictureMean,
                    Centre.Texts => ridge.TextMean,
                    _ => new float[ridge.PictureMean.Length],
                });
                if (group.Key.Rank == 0)
                {
                    yield return (group.First(), start);
                    continue;
                }

                var run = new ContrastiveFit(pairs, start, group.Key.Rank, logitScale, Seed).Run([.. group.Select(c => c.Steps).Order()], ct);
                foreach (var (steps, correction) in run)
                {
                    yield return (group.Single(c => c.Steps == steps), correction);
                }
            }
        }
    }

    private sealed record Candidate(Centre Centre, double Strength, int Rank, int Steps)
    {
        public override string ToString()
        {
            var centre = Centre switch
            {
                Centre.Pictures => "mean kept",
                Centre.Texts => "mean moved to the texts'",
                _ => "mean removed",
            };
            var ridge = double.IsInfinity(Strength) ? centre : string.Create(CultureInfo.InvariantCulture, $"ridge regression of strength {Strength}, {centre}");
            return Rank == 0 ? ridge : $"{ridge}, {Steps} contrastive steps of rank {Rank}";
        }
    }
}
