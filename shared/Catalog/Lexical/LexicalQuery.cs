using System.Text;

namespace ImageSearch.Catalog.Lexical;

public enum LexicalOccurrence { Should, Must, MustNot }

public enum LexicalClauseKind { Word, Prefix, Phrase }

/// <param name="TagOnly">Only occurrences among the tags satisfy the clause.</param>
public sealed record LexicalClause(LexicalOccurrence Occurrence, LexicalClauseKind Kind, string Text, bool TagOnly = false);

/// <summary>
/// Words, <c>+must</c>, <c>-not</c>, <c>"exact phrase"</c>, <c>tag:word</c>, <c>prefix*</c>, and their combinations (<c>-tag:word</c>,
/// <c>tag:"two words"</c>). Phrases and tags are required. Whatever else a user types is read as words.
/// </summary>
public sealed record LexicalQuery(IReadOnlyList<LexicalClause> Clauses)
{
    /// <summary>Further clauses and characters are not read.</summary>
    public const int MaxClauses = 64, MaxLength = 4_000;

    /// <summary>Never throws.</summary>
    public static LexicalQuery Parse(string? text)
    {
        List<LexicalClause> clauses = [];
        var rest = text is null ? [] : text.AsSpan(0, Math.Min(text.Length, MaxLength));
        while (clauses.Count < MaxClauses && !(rest = rest.TrimStart()).IsEmpty)
        {
            LexicalOccurrence? sign = rest[0] switch { '+' => LexicalOccurrence.Must, '-' => LexicalOccurrence.MustNot, _ => null };
            if (sign is not null)
            {
                rest = rest[1..];
            }

            var tag = rest.StartsWith("tag:", StringComparison.OrdinalIgnoreCase);
            if (tag)
            {
                rest = rest[4..];
            }

            if (rest.IsEmpty || char.IsWhiteSpace(rest[0]))
            {
                continue;   // a sign or "tag:" with nothing behind it
            }

            LexicalClauseKind kind;
            ReadOnlySpan<char> body;
            if (rest[0] == '"')
            {
                rest = rest[1..];
                var end = rest.IndexOf('"');
                body = end < 0 ? rest : rest[..end];
                rest = end < 0 ? [] : rest[(end + 1)..];
                kind = LexicalClauseKind.Phrase;
            }
            else
            {
                var end = 0;
                while (end < rest.Length && !char.IsWhiteSpace(rest[end]) && rest[end] != '"')
                {
                    end++;
                }

                body = rest[..end];
                rest = rest[end..];
                kind = body[^1] == '*' ? LexicalClauseKind.Prefix : LexicalClauseKind.Word;
            }

            Add(clauses, sign, kind, LexicalText.Normalise(body.ToString()), tag);
        }

        return new(clauses);
    }

    private static void Add(List<LexicalClause> clauses, LexicalOccurrence? sign, LexicalClauseKind kind, string text, bool tag)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
        {
            return;
        }

        var occurrence = sign ?? (tag || kind == LexicalClauseKind.Phrase ? LexicalOccurrence.Must : LexicalOccurrence.Should);
        if (kind == LexicalClauseKind.Phrase && words.Length > 1)
        {
            clauses.Add(new(occurrence, kind, string.Join(' ', words), tag));
            return;
        }

        // "beach.jpg" is two words; excluded, it means the two side by side, not either of them.
        if (words.Length > 1 && occurrence == LexicalOccurrence.MustNot && kind == LexicalClauseKind.Word)
        {
            clauses.Add(new(occurrence, LexicalClauseKind.Phrase, string.Join(' ', words), tag));
            return;
        }

        for (var i = 0; i < words.Length && clauses.Count < MaxClauses; i++)
        {
            var last = kind == LexicalClauseKind.Prefix && i == words.Length - 1;
            clauses.Add(new(occurrence, last ? LexicalClauseKind.Prefix : LexicalClauseKind.Word, words[i], tag));
        }
    }

    /// <summary>The query in its own language; parsing it gives the same clauses.</summary>
    public override string ToString()
    {
        var result = new StringBuilder();
        foreach (var c in Clauses)
        {
            result.Append(result.Length > 0 ? " " : "")
                .Append(c.Occurrence switch { LexicalOccurrence.Must => "+", LexicalOccurrence.MustNot => "-", _ => "" })
                .Append(c.TagOnly ? "tag:" : "")
                .Append(c.Kind switch { LexicalClauseKind.Phrase => $"\"{c.Text}\"", LexicalClauseKind.Prefix => c.Text + "*", _ => c.Text });
        }

        return result.ToString();
    }
}
