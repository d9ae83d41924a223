namespace ImageSearch.Catalog.Lexical;

public sealed partial class LexicalIndex
{
    /// <summary>How the query's score of one image comes about; null when the image is not indexed. Terms by falling share.</summary>
    public async Task<LexicalExplanation?> ExplainAsync(LexicalQuery query, long imageId, CancellationToken ct = default)
    {
        await SettleAsync(ct);
        await using var reader = await LexicalReader.OpenAsync(db, ct);
        var plan = await LexicalPlan.MakeAsync(query, options, reader, words, ct);
        var (documents, total, _, terms) = await reader.TermsAsync(plan.Lexemes, ct);
        if (await reader.DocumentAsync(imageId, plan.Lexemes, ct) is not var (length, counts))
        {
            return null;
        }

        var bm25 = Formula(documents, total);
        List<LexicalTermExplanation> parts = [];
        foreach (var t in plan.Scored)
        {
            if (counts.TryGetValue(plan.Lexemes[t], out var fields))
            {
                var frequency = fields.Zip(units, (n, weight) => n * weight).Sum();
                var idf = bm25.Idf(terms[t].Df);
                parts.Add(new(plan.Lexemes[t], terms[t].Df, idf, fields[0], fields[1], fields[2], fields[3],
                    frequency * unit, bm25.LengthNorm(length), bm25.Score(idf, frequency, length), 0));
            }
        }

        var score = parts.Sum(p => p.Score);
        bool Holds((int[] Terms, bool TagOnly) c) => c.Terms.Any(t => counts.TryGetValue(plan.Lexemes[t], out var f) && (!c.TagOnly || f[0] > 0));
        var matches = parts.Count > 0 && plan.Must.All(Holds) && !plan.Not.Any(Holds) && (await WithPhrasesAsync(plan, reader, [imageId], ct)).Count == 1;
        return new(imageId, score, matches, length * unit, bm25.AverageLength,
            [.. parts.Select(p => p with { Share = p.Score / score }).OrderByDescending(p => p.Share).ThenBy(p => p.Lexeme, StringComparer.Ordinal)]);
    }
}
