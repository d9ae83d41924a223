using ImageSearch.Catalog.Lexical;
using ImageSearch.Catalog.Vectors;

namespace ImageSearch.Query.Search;

/// <summary>The words of a search, for each leg.</summary>
/// <param name="Positive">What to show, as plain words for the text encoder; null if nothing.</param>
/// <param name="Negative">What not to show, each a text of its own.</param>
/// <param name="Words">The query of the lexical leg.</param>
/// <param name="Scored">Texts that add to a BM25 score.</param>
public sealed record QueryText(string? Positive, IReadOnlyList<string> Negative, LexicalQuery Words, IReadOnlyList<string> Scored)
{
    /// <summary>The lexical leg has something to look up.</summary>
    public bool HasWords => Scored.Count > 0;

    public static QueryText Of(string? text, string? negativeText)
    {
        var query = LexicalQuery.Parse(text);
        var excluded = LexicalQuery.Parse(negativeText).Clauses;

        // "cars on the street" is one thing not to show, not four words each of which is forbidden.
        var negative = excluded.Count > 0 ? string.Join(' ', excluded.Select(c => c.Text)) : null;
        var words = negative is null ? query : new LexicalQuery([.. query.Clauses,
            new(LexicalOccurrence.MustNot, excluded.Count > 1 ? LexicalClauseKind.Phrase : excluded[0].Kind, negative, excluded[0].TagOnly && excluded.Count == 1)]);
        var positive = words.Clauses.Where(c => c.Occurrence != LexicalOccurrence.MustNot).Select(c => c.Text).ToList();
        return new(
            positive.Count > 0 ? string.Join(' ', positive) : null,
            [.. words.Clauses.Where(c => c.Occurrence == LexicalOccurrence.MustNot).Select(c => c.Text).Distinct(StringComparer.OrdinalIgnoreCase).Take(8)],
            words, positive);
    }

    /// <summary>What both legs must keep to; null if the words ask for nothing.</summary>
    public WordCondition? Condition(string language)
    {
        static WordTerm Term(LexicalClause c) => new(c.Text, c.Kind == LexicalClauseKind.Phrase, c.Kind == LexicalClauseKind.Prefix, c.TagOnly);
        var condition = new WordCondition(
            language,
            [.. Words.Clauses.Where(c => c.Occurrence == LexicalOccurrence.Must).Select(Term)],
            [.. Words.Clauses.Where(c => c.Occurrence == LexicalOccurrence.MustNot).Select(Term)]);
        return condition.IsOpen ? null : condition;
    }
}
