namespace ImageSearch.Evaluation.Tests;

public sealed class FusionWeightTests
{
    private static readonly HashSet<string> None = [];

    [Fact]
    public void Orders_by_the_weighted_sum_and_equal_scores_by_deviations()
    {
        var query = new FusedQuery([new("words", 0, 1, 0), new("looks", 0.9, 0, 5), new("also", 0.9, 0, 7)], new HashSet<string> { "looks" }, None);
        Assert.Equal([false, false, true], query.At(0.2).Hits);
        Assert.Equal([false, true, false], query.At(0.8).Hits);
        Assert.Equal([false, true, false], query.At(1).Hits);
    }

    [Fact]
    public void Chooses_the_weight_that_serves_all_tasks_and_judges_it_on_queries_that_it_has_not_seen()
    {
        // Where words know the answer they are sure of it; where they do not, they are wrong with 0.4. A weight above 4/9 follows resemblance in the second task
        // (0.5 w against 0.4 (1 - w)), one below 1 / 1.9 follows words in the first (1 - w against 0.9 w).
        FusedQuery Known() => new([new("right", 0, 1, 0), new("wrong", 0.9, 0, 5)], new HashSet<string> { "right" }, None);
        FusedQuery Unknown() => new([new("right", 0.5, 0, 3), new("wrong", 0, 0.4, 0)], new HashSet<string> { "right" }, None);
        var fit = FusionWeight.Fit([new("known", [Known(), Known(), Known()]), new("unknown", [Unknown(), Unknown(), Unknown(), Unknown()]), new("too few", [Known()])])!;
        Assert.Equal(0.5, fit.Weight, 9);
        Assert.Equal(["known", "unknown"], fit.Tasks);
        Assert.Equal(100, fit.Tried.Single(t => t.Weight == fit.Weight).Share, 6);
        Assert.True(fit.Tried[0].Share < 100 && fit.Tried[^1].Share < 100);
        Assert.Equal([1, 2], fit.HeldOut.Select(j => j.Queries));
        Assert.Equal([100.0, 100.0], fit.HeldOut.Select(j => j.Fused));
        Assert.Equal(0, fit.HeldOut[0].Dense, 6);
        Assert.Equal(100, fit.HeldOut[0].Lexical, 6);
    }

    [Fact]
    public void Nothing_to_fit_gives_nothing()
    {
        Assert.Null(FusionWeight.Fit([]));
        var unanswered = new FusedQuery([], new HashSet<string> { "right" }, None);
        Assert.Null(FusionWeight.Fit([new("unanswered", [unanswered, unanswered])]));
    }

    [Fact]
    public void A_described_set_uploads_the_first_caption_and_asks_the_others()
    {
        var set = new EvaluationSet("set", "captions file", [new("a", "a.jpg"), new("b", "b.jpg")],
        [
            EvaluationSet.CaptionQuery("a dog", "a"), EvaluationSet.CaptionQuery("a brown dog", "a"), EvaluationSet.CaptionQuery("an animal", "a"), EvaluationSet.CaptionQuery("a cat", "b"),
        ]);
        var described = set.Described()!;
        Assert.Equal("set-described", described.Name);
        Assert.Equal(["a brown dog", "an animal"], described.Queries.Select(q => q.Text));
        Assert.Equal(new Dictionary<string, string> { ["a"] = "a dog" }, described.Descriptions);
        Assert.Equal(2, described.Pictures.Count);
        Assert.Null((set with { Queries = [.. set.Queries.Skip(3)] }).Described());
    }
}
