namespace ImageSearch.Evaluation;

/// <summary>One ranked answer held against what is known to be right.</summary>
/// <param name="Hits">By rank, best first: whether what stands there is relevant.</param>
/// <param name="Relevant">Relevant pictures in the whole collection, found or not; at least 1.</param>
public sealed record Judgement(IReadOnlyList<bool> Hits, int Relevant)
{
    /// <param name="ranking">What came back, best first. What comes back twice counts where it comes first.</param>
    /// <param name="ignored">Neither right nor wrong: left out of the ranking before anything is counted (the "junk" of Oxford and Paris, or the query itself).</param>
    /// <exception cref="ArgumentException">Nothing is relevant: no measure is defined then.</exception>
    public static Judgement Of<T>(IEnumerable<T> ranking, IReadOnlySet<T> relevant, IReadOnlySet<T>? ignored = null)
        where T : notnull
    {
        var total = relevant.Count(r => ignored?.Contains(r) != true);
        return total == 0
            ? throw new ArgumentException("A query without anything relevant cannot be judged.", nameof(relevant))
            : new([.. ranking.Where(r => ignored?.Contains(r) != true).Distinct().Select(relevant.Contains)], total);
    }
}
