using System.Collections.Concurrent;

namespace ImageSearch.Catalog.Lexical;

/// <summary>A query in lexemes. Each condition is a set of term indices of which one must be there (or none may be).</summary>
/// <param name="Lexemes">The distinct lexemes; an index into them is a term.</param>
/// <param name="Scored">Terms that add to the score.</param>
/// <param name="Expanded">Those of them that only a prefix brought in.</param>
/// <param name="Phrases">Of two lexemes or more; checked on the documents' positions.</param>
internal sealed record LexicalPlan(
    IReadOnlyList<string> Lexemes, IReadOnlyList<int> Scored, IReadOnlySet<int> Expanded,
    IReadOnlyList<(int[] Terms, bool TagOnly)> Must, IReadOnlyList<(int[] Terms, bool TagOnly)> Not,
    IReadOnlyList<(string Text, bool TagOnly, bool Negated)> Phrases)
{
    public static async Task<LexicalPlan> MakeAsync(LexicalQuery query, LexicalOptions options, LexicalReader reader, WordLexemes words, CancellationToken ct)
    {
        Dictionary<string, int> terms = new(StringComparer.Ordinal);
        SortedSet<int> scored = [];
        HashSet<int> spelt = [];
        List<(int[], bool)> must = [], not = [];
        List<(string, bool, bool)> phrases = [];
        var clauses = query.Clauses.Take(LexicalQuery.MaxClauses).Select(c => c with { Text = LexicalText.Normalise(c.Text).Trim() }).Where(c => c.Text.Length > 0).ToList();
        var analysed = await words.OfAsync(clauses.Select(c => c.Text), reader, ct);
        foreach (var clause in clauses)
        {
            var lexemes = analysed[clause.Text];
            if (clause.Kind == LexicalClauseKind.Prefix)
            {
                var expanded = await reader.ExpandAsync(clause.Text.ToLowerInvariant(), options.PrefixExpansions, ct);
                lexemes = expanded.Length > 0 ? expanded : lexemes;
            }

            if (lexemes.Length == 0)
            {
                // Nothing but stop words, or a prefix that nothing starts with.
                if (clause.Kind == LexicalClauseKind.Prefix && clause.Occurrence == LexicalOccurrence.Must)
                {
                    must.Add(([], clause.TagOnly));
                }

                continue;
            }

            int[] indices = [.. lexemes.Select(Term)];
            if (clause.Occurrence != LexicalOccurrence.MustNot)
            {
                scored.UnionWith(indices);
                if (clause.Kind != LexicalClauseKind.Prefix)
                {
                    spelt.UnionWith(indices);
                }
            }

            var together = clause.Kind == LexicalClauseKind.Phrase && indices.Length > 1;
            if (together)
            {
                phrases.Add((clause.Text, clause.TagOnly, clause.Occurrence == LexicalOccurrence.MustNot));
            }

            if (clause.Occurrence == LexicalOccurrence.MustNot)
            {
                if (!together)
                {
                    not.Add((indices, clause.TagOnly));
                }
            }
            else if (together)
            {
                must.AddRange(indices.Select(i => (new[] { i }, clause.TagOnly)));
            }
            else if (clause.Occurrence == LexicalOccurrence.Must || clause.TagOnly)
            {
                must.Add((indices, clause.TagOnly));
            }
        }

        return new([.. terms.OrderBy(t => t.Value).Select(t => t.Key)], [.. scored], scored.Except(spelt).ToHashSet(), must, not, phrases);

        int Term(string lexeme)
        {
            if (!terms.TryGetValue(lexeme, out var term))
            {
                terms.Add(lexeme, term = terms.Count);
            }

            return term;
        }
    }
}

/// <summary>Lexemes of query words, kept: they depend on nothing but the configuration.</summary>
internal sealed class WordLexemes(string language)
{
    private const int Limit = 20_000;
    private readonly ConcurrentDictionary<string, string[]> known = new(StringComparer.Ordinal);

    public async Task<Dictionary<string, string[]>> OfAsync(IEnumerable<string> texts, LexicalReader reader, CancellationToken ct)
    {
        Dictionary<string, string[]> result = new(StringComparer.Ordinal);
        List<string> unknown = [];
        foreach (var text in texts.Distinct(StringComparer.Ordinal))
        {
            if (known.TryGetValue(text, out var lexemes))
            {
                result.Add(text, lexemes);
            }
            else
            {
                unknown.Add(text);
            }
        }

        if (unknown.Count > 0)
        {
            if (known.Count > Limit)
            {
                known.Clear();
            }

            var analysed = await reader.AnalyseAsync(language, unknown, ct);
            for (var i = 0; i < unknown.Count; i++)
            {
                result.Add(unknown[i], known[unknown[i]] = analysed[i]);
            }
        }

        return result;
    }
}
