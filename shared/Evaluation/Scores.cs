namespace ImageSearch.Evaluation;

/// <summary>Means over queries, in percent, under the names that tables use.</summary>
public static class Scores
{
    /// <summary>For queries with one right answer, or where any of several will do: R@k is the share of queries with a right one among the first k.</summary>
    public static IReadOnlyDictionary<string, double> OneRight(IReadOnlyCollection<Judgement> js) => Means(js,
        ("R@1", j => j.HitAt(1)), ("R@5", j => j.HitAt(5)), ("R@10", j => j.HitAt(10)), ("nDCG@10", j => j.NdcgAt(10)), ("MRR", j => j.ReciprocalRank()));

    /// <summary>For queries with many right answers.</summary>
    public static IReadOnlyDictionary<string, double> ManyRight(IReadOnlyCollection<Judgement> js) => Means(js,
        ("hit@1", j => j.HitAt(1)), ("mAP@5", j => j.AveragePrecisionAt(5)), ("mAP@10", j => j.AveragePrecisionAt(10)), ("mAP@20", j => j.AveragePrecisionAt(20)),
        ("mAP@50", j => j.AveragePrecisionAt(50)), ("nDCG@10", j => j.NdcgAt(10)), ("PR-AUC", PrecisionRecall.Area));

    private static IReadOnlyDictionary<string, double> Means(IReadOnlyCollection<Judgement> js, params (string Name, Func<Judgement, double> Measure)[] measures) =>
        measures.ToDictionary(m => m.Name, m => js.Count == 0 ? double.NaN : 100 * js.Average(m.Measure));
}
