using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Query.Search;

/// <summary>Words: BM25, with the probability that the pictures are what was asked for.</summary>
public sealed class LexicalLeg(LexicalIndex index, WordStatistics statistics, ImageReader images, SearchOptions options)
{
    /// <param name="alone">No resemblance is weighed beside the words, so that guessed ones are the best evidence there is.</param>
    public async Task<IReadOnlyList<LexicalLegHit>> SearchAsync(QueryText query, ImageFilter filter, int depth, bool alone, CancellationToken ct)
    {
        var accept = new LexicalSearch(filter == ImageFilter.None ? null : (ids, token) => images.AcceptAsync(filter, ids, token));
        var known = statistics.QueryAsync(options.Language, query.Scored, ct);
        var hits = await index.SearchAsync(query.Words, depth, accept, ct);
        var terms = await known;
        if (hits.Count == 0)
        {
            return [];
        }

        var evidence = await statistics.EvidenceAsync(options.Language, [.. terms.Lexemes.Select(l => l.Lexeme)], [.. hits.Select(h => h.ImageId)], ct);
        var idf = terms.Lexemes.ToDictionary(l => l.Lexeme, terms.Idf, StringComparer.Ordinal);

        // What a document of average length scores that holds every word once. A prefix has no lexeme of its own: the best hit stands in.
        var whole = idf.Values.Sum();
        whole = whole > 0 && !query.Words.Clauses.Any(c => c.Kind == LexicalClauseKind.Prefix) ? whole : Math.Max(whole, hits[0].Score);
        return [.. hits.Select((h, i) =>
        {
            var coverage = Coverage(h.Score / Math.Max(whole, 1e-9));
            var (trust, written) = Trust(evidence.GetValueOrDefault(h.ImageId), idf, alone ? options.GuessedWordsAlone : options.GuessedWords);
            return new LexicalLegHit(h.ImageId, i + 1, h.Score, coverage, trust * coverage, written);
        })];
    }

    /// <summary>Saturating: 0.8 where every word stands once in a text of average length, 0.5 at half of that, towards 1 beyond.</summary>
    internal static double Coverage(double share) => share * share / ((share * share) + 0.25);

    /// <summary>What the words are worth: the mean over the matched lexemes, weighted by how rare they are.</summary>
    private (double Trust, bool Written) Trust(WordEvidence? evidence, Dictionary<string, double> idf, double guessed)
    {
        var (matched, written) = (0.0, 0.0);
        foreach (var lexeme in evidence?.Matched ?? [])
        {
            matched += idf.GetValueOrDefault(lexeme);
        }

        foreach (var lexeme in evidence?.Written ?? [])
        {
            written += idf.GetValueOrDefault(lexeme);
        }

        var share = matched > 0 ? written / matched : evidence is { Matched.Length: > 0 } && evidence.Written.Length == evidence.Matched.Length ? 1 : 0;
        return ((share * options.WrittenWords) + ((1 - share) * guessed), share > 0.5);
    }
}
