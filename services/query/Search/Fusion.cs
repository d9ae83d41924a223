namespace ImageSearch.Query.Search;

/// <param name="Rank">From 1 in its leg; null where the picture was only scored afterwards.</param>
/// <param name="Probability">Calibrated, with what the query excludes taken off.</param>
public sealed record DenseHit(long Image, int? Rank, double Cosine, double Deviations, double Probability);

/// <param name="Coverage">BM25 score against that of a document of average length with every query word once.</param>
/// <param name="Written">The words that matched were written, not guessed from the picture's vector.</param>
public sealed record LexicalLegHit(long Image, int Rank, double Score, double Coverage, double Probability, bool Written);

public sealed record FusedHit(long Image, double Score, double Relevance, double DensePart, double LexicalPart, DenseHit? Dense, LexicalLegHit? Lexical)
{
    /// <summary>Near-duplicates that stand behind this one.</summary>
    public IReadOnlyList<long> Duplicates { get; init; } = [];
}

/// <summary>Two ranked lists become one.</summary>
public static class Fusion
{
    /// <summary>
    /// Convex: <c>w d + (1 - w) l</c> over calibrated probabilities. RRF (Cormack et al. 2009): <c>1/(k + rank)</c> summed over the lists.
    /// Relevance is <c>1 - (1 - d)(1 - l)</c>, made to fall along the order.
    /// </summary>
    public static List<FusedHit> Fuse(IReadOnlyList<DenseHit> dense, IReadOnlyList<LexicalLegHit> lexical, FusionMethod method, double denseWeight, double rrfK)
    {
        var byImage = new Dictionary<long, (DenseHit? Dense, LexicalLegHit? Lexical)>();
        foreach (var hit in dense)
        {
            byImage[hit.Image] = (hit, null);
        }

        foreach (var hit in lexical)
        {
            byImage[hit.Image] = (byImage.GetValueOrDefault(hit.Image).Dense, hit);
        }

        // With one list only, its own order stands.
        var (wd, wl) = lexical.Count == 0 ? (1, 0) : dense.Count == 0 ? (0, 1) : (denseWeight, 1 - denseWeight);
        List<FusedHit> fused = [.. byImage.Select(pair =>
        {
            var (d, l) = pair.Value;
            var (densePart, lexicalPart) = method == FusionMethod.Convex
                ? (wd * (d?.Probability ?? 0), wl * (l?.Probability ?? 0))
                : (d?.Rank is { } dr ? 1 / (rrfK + dr) : 0, l is null ? 0 : 1 / (rrfK + l.Rank));
            var relevance = 1 - ((1 - (d?.Probability ?? 0)) * (1 - (l?.Probability ?? 0)));
            return new FusedHit(pair.Key, densePart + lexicalPart, relevance, densePart, lexicalPart, d, l);
        })];

        // Saturated probabilities tie; what lies below them still tells the hits apart.
        fused.Sort((a, b) =>
            b.Score.CompareTo(a.Score) is var s and not 0 ? s
            : (b.Dense?.Deviations ?? double.MinValue).CompareTo(a.Dense?.Deviations ?? double.MinValue) is var z and not 0 ? z
            : (b.Lexical?.Score ?? 0).CompareTo(a.Lexical?.Score ?? 0) is var w and not 0 ? w
            : a.Image.CompareTo(b.Image));
        return Falling(fused);
    }

    /// <summary>Appends a deeper list: hits that are already there keep their places, the others follow and are no more relevant.</summary>
    public static List<FusedHit> Extend(IReadOnlyList<FusedHit> first, IEnumerable<FusedHit> deeper)
    {
        var known = first.SelectMany(h => h.Duplicates.Prepend(h.Image)).ToHashSet();
        var ceiling = first.Count > 0 ? first[^1].Relevance : 1;
        return [.. first, .. deeper.Where(h => !known.Contains(h.Image)).Select(h => h with { Relevance = Math.Min(h.Relevance, ceiling) })];
    }

    private static List<FusedHit> Falling(List<FusedHit> hits)
    {
        var relevance = hits.Select(h => h.Relevance).ToArray();
        Isotonic.Fall(relevance);
        return [.. hits.Select((h, i) => h with { Relevance = relevance[i] })];
    }
}
