using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Query.Search;

/// <summary>Words: BM25, with the probability that the pictures are what was asked for.</summary>
public sealed class LexicalLeg(LexicalIndex index, WordOrigins origins, ImageReader images, SearchOptions options)
{
    /// <param name="alone">No resemblance is weighed beside the words, so that guessed ones are the best evidence there is.</param>
    /// <param name="found">Is told which pictures match as soon as they are known, before it is known what their words are worth.</param>
    public async Task<IReadOnlyList<LexicalLegHit>> SearchAsync(QueryText query, ImageFilter filter, int depth, bool alone, Action<long[]> found, CancellationToken ct)
    {
        var accept = new LexicalSearch(filter == ImageFilter.None ? null : (ids, token) => images.AcceptAsync(filter, ids, token));
        var (hits, terms) = await index.AnswerAsync(query.Words, depth, accept, ct);
        long[] matching = [.. hits.Select(h => h.ImageId)];
        found(matching);
        if (hits.Count == 0)
        {
            return [];
        }

        var evidence = await origins.EvidenceAsync(options.Language, [.. terms.Select(t => t.Lexeme)], matching, ct);

        // What a document of average length scores that holds every word once. A prefix stands for any of its words: the best hit says what it is worth.
        var whole = terms.Where(t => !t.FromPrefix).Sum(t => t.Idf);
        whole = whole > 0 && !query.Words.Clauses.Any(c => c.Kind == LexicalClauseKind.Prefix) ? whole : Math.Max(whole, hits[0].Score);
        return [.. hits.Select((h, i) =>
        {
            var coverage = Coverage(h.Score / Math.Max(whole, 1e-9));
            var share = WrittenShare(evidence.GetValueOrDefault(h.ImageId), terms);
            var trust = (share * options.WrittenWords) + ((1 - share) * (alone ? options.GuessedWordsAlone : options.GuessedWords));
            return new LexicalLegHit(h.ImageId, i + 1, h.Score, coverage, trust * coverage, share > 0.5);
        })];
    }

    /// <summary>Saturating: 0.8 where every word stands once in a text of average length, 0.5 at half of that, towards 1 beyond.</summary>
    internal static double Coverage(double share) => share * share / ((share * share) + 0.25);

    /// <summary>How much of what matched was written: the mean over the matched lexemes, weighted by how rare they are.</summary>
    private static double WrittenShare(WordEvidence? evidence, IReadOnlyList<LexicalTerm> terms)
    {
        if (evidence is not { Matched: { } guessed })
        {
            return evidence is null ? 0 : 1;
        }

        // A word that stands in every text has no weight; it still counts where there are no others.
        double Weight(int[] indices) => indices.Sum(i => terms[i].Idf + 1e-9);
        return guessed.Length == 0 ? 0 : Math.Min(1, Weight(evidence.Written) / Weight(guessed));
    }
}
