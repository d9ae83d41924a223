using System.Numerics.Tensors;
using ImageSearch.Query.Search;

namespace ImageSearch.Query.Tests;

public sealed class RelevanceTests
{
    [Fact]
    public void Background_is_not_moved_by_the_matches_in_it()
    {
        var random = new Random(3);
        float[] query = [1, 0, 0, 0, 0, 0, 0, 0];
        float[] Unrelated() => QueryVector.Unit([0.2f + (0.1f * (float)random.NextDouble()), .. Enumerable.Range(0, 7).Select(_ => (float)random.NextDouble())])!;
        float[][] unrelated = [.. Enumerable.Range(0, 400).Select(_ => Unrelated())];
        var alone = Background.Of(query, unrelated);
        var mixed = Background.Of(query, [.. unrelated, .. Enumerable.Repeat(query, 40)]);
        Assert.InRange(mixed.Centre - alone.Centre, 0, alone.Deviation / 2);
        Assert.True(mixed.Deviations(1) > 6);
        Assert.InRange(mixed.Deviations(alone.Centre), -1, 0.1);
    }

    [Fact]
    public void Without_reference_a_general_background_is_taken() => Assert.Equal(Background.Unknown, Background.Of([1, 0], [[1, 0]]));

    [Fact]
    public void Calibration_is_one_half_at_its_midpoint_and_rises()
    {
        var calibration = new Calibration(3, 1.8);
        Assert.Equal(0.5, calibration.Probability(3), 9);
        Assert.True(calibration.Probability(1) < 0.05 && calibration.Probability(5) > 0.95);
        Assert.Equal(0, calibration.Probability(-1e9));
    }

    [Theory]
    [InlineData(new double[] { 0.9, 0.5, 0.7, 0.1 }, new double[] { 0.9, 0.6, 0.6, 0.1 })]
    [InlineData(new double[] { 0.1, 0.2, 0.3 }, new double[] { 0.2, 0.2, 0.2 })]
    [InlineData(new double[] { }, new double[] { })]
    public void Isotonic_fit_pools_what_rises(double[] values, double[] expected)
    {
        Isotonic.Fall(values);
        Assert.Equal(expected, values.Select(v => Math.Round(v, 12)));
    }

    [Fact]
    public void Coverage_is_eight_tenths_for_every_word_once()
    {
        Assert.Equal(0.8, LexicalLeg.Coverage(1), 9);
        Assert.Equal(0.5, LexicalLeg.Coverage(0.5), 9);
        Assert.InRange(LexicalLeg.Coverage(10), 0.99, 1);
    }

    [Fact]
    public void A_negative_part_pushes_away_from_itself_but_not_from_pictures_as_such()
    {
        float[] mean = [1, 0, 0];
        var dog = QueryVector.Unit([1, 1, 0])!;
        var people = QueryVector.Unit([1, 0, 1])!;
        var query = QueryVector.Compose([(dog, 1)], [people], 0.5, mean)!;
        Assert.Equal(1, TensorPrimitives.Norm<float>(query), 5);
        Assert.True(query[2] < 0);
        Assert.True(query[0] > 0.6);
    }

    [Fact]
    public void Parts_that_cancel_out_leave_nothing_to_search_for() => Assert.Null(QueryVector.Compose([([1, 0], 1), ([-1, 0], 1)], [], 0, null));
}
