using ImageSearch.Pipeline.Tests;

namespace ImageSearch.Evaluation.Tests;

/// <summary>Against examples worked by hand and against figures of scikit-learn.</summary>
public sealed class MetricsTests
{
    // R N R N N R, three relevant: precisions at the hits 1/1, 2/3, 3/6.
    private static readonly Judgement Mixed = new([true, false, true, false, false, true], 3);

    [Theory]
    [InlineData(1, 1 / 3.0, 1.0)]
    [InlineData(2, 1 / 3.0, 0.5)]
    [InlineData(5, 2 / 3.0, 0.4)]
    [InlineData(10, 1.0, 0.3)]
    public void Recall_and_precision_count_the_first_k(int k, double recall, double precision)
    {
        Assert.Equal(recall, Mixed.RecallAt(k), 12);
        Assert.Equal(precision, Mixed.PrecisionAt(k), 12);
    }

    [Fact]
    public void Average_precision_is_the_mean_of_precisions_at_the_relevant()
    {
        Assert.Equal((1 + (2 / 3.0) + (3 / 6.0)) / 3, Mixed.AveragePrecisionAt(6), 12);
        Assert.Equal((1 + (2 / 3.0)) / 3, Mixed.AveragePrecisionAt(5), 12);

        // With k below the number of relevant ones, k right answers are all one can ask for.
        Assert.Equal(1, new Judgement([true, true], 50).AveragePrecisionAt(2), 12);

        // Relevant ones that never come back count as missed.
        Assert.Equal(0.5, new Judgement([true], 2).AveragePrecisionAt(10), 12);
    }

    [Fact]
    public void Average_precision_and_area_equal_scikit_learns_for_its_documented_example()
    {
        // y_true [0, 0, 1, 1], scores [0.1, 0.4, 0.35, 0.8]: average_precision_score 0.8333, auc of the curve 0.7917.
        var documented = new Judgement([true, false, true, false], 2);
        Assert.Equal(0.83333333, documented.AveragePrecisionAt(4), 8);
        Assert.Equal(0.79166667, PrecisionRecall.Area(documented), 8);
    }

    [Fact]
    public void Ndcg_discounts_by_the_logarithm_of_the_rank()
    {
        var ideal = 1 + (1 / Math.Log2(3)) + (1 / Math.Log2(4));
        Assert.Equal((1 + (1 / Math.Log2(4)) + (1 / Math.Log2(7))) / ideal, Mixed.NdcgAt(10), 12);
        Assert.Equal(1, new Judgement([true, true, true], 3).NdcgAt(10), 12);
        Assert.Equal(0, new Judgement([false, false], 3).NdcgAt(10));
    }

    [Fact]
    public void Hit_and_reciprocal_rank_look_for_the_first()
    {
        var second = new Judgement([false, true, true], 2);
        Assert.Equal((0, 1, 0.5), (second.HitAt(1), second.HitAt(2), second.ReciprocalRank()));
        Assert.Equal(0, new Judgement([], 1).ReciprocalRank());
    }

    [Fact]
    public void Interpolated_precision_is_the_best_at_this_recall_or_higher()
    {
        var curve = PrecisionRecall.MeanCurve([Mixed]);
        Assert.Equal([1, 1, 2 / 3.0, 2 / 3.0, 0.5, 0.5], new[] { 0, 33, 34, 66, 67, 100 }.Select(level => Math.Round(curve[level], 12)), (a, b) => Math.Abs(a - b) < 1e-9);

        var half = PrecisionRecall.MeanCurve([Mixed, new([false], 1)]);
        Assert.Equal(0.5, half[0], 12);
    }

    [Fact]
    public void What_is_ignored_leaves_the_ranking_and_the_relevant()
    {
        var judged = Judgement.Of(["self", "junk", "good", "good", "bad"], new HashSet<string> { "good", "self" }, new HashSet<string> { "self", "junk" });
        Assert.Equal([true, false], judged.Hits);
        Assert.Equal(1, judged.Relevant);
        Assert.Throws<ArgumentException>(() => Judgement.Of(["a"], new HashSet<string>()));
    }

    [Fact]
    public void Gate_names_fusion_that_loses_more_than_half_a_point()
    {
        static Measurement Of(string leg, double value) => new("caption to picture", leg, 10, new Dictionary<string, double> { ["R@10"] = value });
        static IReadOnlyList<string> Faults(double fused) => FusionGate.Faults(new(null!, true,
            [new("set", "captions file", 1, null, null, 1, [Of(FusionGate.Dense, 40), Of(FusionGate.Lexical, 50), Of(FusionGate.Fused, fused)], [])]));
        Assert.Empty(Faults(49.5));
        Assert.Contains("set, caption to picture", Assert.Single(Faults(49.4)), StringComparison.Ordinal);
    }

    /// <summary>Fusion may cost at most half a point on every set that the project reports on.</summary>
    [Fact]
    public void The_committed_figures_pass_the_gate()
    {
        var result = EvaluationResult.Read(Checkout.File("docs/evaluation/results.json"));
        Assert.Contains(result.Sets, s => s.Measurements.Any(m => m.Task == "label to pictures" && m.Leg == FusionGate.Fused));
        Assert.Contains(result.Sets, s => s.Measurements.Any(m => m.Task == "caption to picture" && m.Leg == FusionGate.Fused));
        Assert.Empty(FusionGate.Faults(result));
    }
}
