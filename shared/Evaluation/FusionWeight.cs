namespace ImageSearch.Evaluation;

/// <summary>A picture that a fused search found, with what each leg thinks of it.</summary>
/// <param name="Dense">Calibrated probability by resemblance, 0 to 1; 0 where that leg does not know the picture.</param>
/// <param name="Lexical">The same by words.</param>
/// <param name="Deviations">Of its cosine from those of unrelated pictures: orders equal scores.</param>
public sealed record LegScores(string Id, double Dense, double Lexical, double Deviations);

/// <summary>The candidates of both legs for one query, in any order.</summary>
public sealed record FusedQuery(IReadOnlyList<LegScores> Candidates, IReadOnlySet<string> Relevant, IReadOnlySet<string> Ignored)
{
    /// <summary>The ranking by <c>w d + (1 - w) l</c>.</summary>
    public Judgement At(double weight) => Ranked(Candidates, weight);

    /// <summary>What resemblance finds, by itself.</summary>
    public Judgement DenseAlone() => Ranked(Candidates.Where(c => c.Dense > 0), 1);

    /// <summary>What words find, by themselves; equal scores still by resemblance.</summary>
    public Judgement LexicalAlone() => Ranked(Candidates.Where(c => c.Lexical > 0), 0);

    private Judgement Ranked(IEnumerable<LegScores> candidates, double weight) => Judgement.Of(
        candidates.OrderByDescending(c => (weight * c.Dense) + ((1 - weight) * c.Lexical)).ThenByDescending(c => c.Deviations).ThenBy(c => c.Id, StringComparer.Ordinal).Select(c => c.Id),
        Relevant, Ignored);
}

/// <summary>Queries of one kind over one set.</summary>
/// <param name="Name">Set and question.</param>
public sealed record FusionTask(string Name, IReadOnlyList<FusedQuery> Queries);

/// <summary>One weight on the half of the queries that it is chosen by.</summary>
/// <param name="Ndcg">nDCG@10 of each task, percent.</param>
/// <param name="Share">Mean over the tasks of that against their better leg's, percent.</param>
public sealed record WeightTried(double Weight, IReadOnlyList<double> Ndcg, double Share);

/// <summary>The chosen weight on the other half; nDCG@10, percent.</summary>
public sealed record WeightJudged(string Task, int Queries, double Dense, double Lexical, double Fused);

/// <param name="Weight">Of resemblance, with the best <see cref="WeightTried.Share"/>; of equals the middle one.</param>
public sealed record FusionWeightFit(double Weight, IReadOnlyList<string> Tasks, IReadOnlyList<WeightTried> Tried, IReadOnlyList<WeightJudged> HeldOut);

/// <summary>Finds the weight of resemblance in the convex combination on labelled queries.</summary>
public static class FusionWeight
{
    private static readonly double[] Weights = [.. Enumerable.Range(1, 19).Select(i => i / 20.0)];

    /// <summary>Every second query chooses, the others judge. Tasks weigh the same whatever their number of queries; those of fewer than two, or that no leg answers, are left out.</summary>
    /// <returns>Null when no task is left.</returns>
    public static FusionWeightFit? Fit(IEnumerable<FusionTask> tasks)
    {
        var halves = tasks.Select(t => (t.Name, Choosing: Half(t, 0), Judging: Half(t, 1)))
            .Where(t => t.Judging.Length > 0).Select(t => (t.Name, t.Choosing, t.Judging, Best: Math.Max(Ndcg(t.Choosing, q => q.DenseAlone()), Ndcg(t.Choosing, q => q.LexicalAlone())))).Where(t => t.Best > 0).ToArray();
        if (halves.Length == 0)
        {
            return null;
        }

        WeightTried[] tried = [.. Weights.Select(w =>
        {
            double[] ndcg = [.. halves.Select(t => Ndcg(t.Choosing, q => q.At(w)))];
            return new WeightTried(w, ndcg, 100 * ndcg.Zip(halves).Average(p => p.First / p.Second.Best));
        })];
        var best = tried.Max(t => t.Share);
        var equals = tried.Where(t => t.Share >= best - 1e-9).ToArray();
        var weight = equals[equals.Length / 2].Weight;
        return new(weight, [.. halves.Select(t => t.Name)], tried,
            [.. halves.Select(t => new WeightJudged(t.Name, t.Judging.Length, Ndcg(t.Judging, q => q.DenseAlone()), Ndcg(t.Judging, q => q.LexicalAlone()), Ndcg(t.Judging, q => q.At(weight))))]);
    }

    private static FusedQuery[] Half(FusionTask task, int which) => [.. task.Queries.Where((_, i) => i % 2 == which)];

    private static double Ndcg(FusedQuery[] queries, Func<FusedQuery, Judgement> answer) => 100 * queries.Average(q => answer(q).NdcgAt(10));
}
