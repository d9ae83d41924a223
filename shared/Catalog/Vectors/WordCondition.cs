using System.Globalization;
using System.Text;
using Npgsql;

namespace ImageSearch.Catalog.Vectors;

/// <param name="Text">Letters, digits and blanks.</param>
/// <param name="Phrase">The words stand side by side in this order.</param>
/// <param name="Prefix">The last word may go on.</param>
/// <param name="TagOnly">Only among the tags.</param>
public sealed record WordTerm(string Text, bool Phrase = false, bool Prefix = false, bool TagOnly = false);

/// <summary>What must and must not stand in a picture's texts: the conditions of the word query, put to the vector query as well.</summary>
/// <param name="Language">Text search configuration that the texts were indexed with.</param>
public sealed record WordCondition(string Language, IReadOnlyList<WordTerm> Must, IReadOnlyList<WordTerm> MustNot)
{
    public bool IsOpen => Must.Count == 0 && MustNot.Count == 0;

    /// <summary>Conditions on the picture in column <paramref name="image"/>, each preceded by AND.</summary>
    internal string Where(string image, NpgsqlParameterCollection parameters)
    {
        var sql = new StringBuilder();
        foreach (var (terms, exists) in new[] { (Must, "EXISTS"), (MustNot, "NOT EXISTS") })
        {
            foreach (var term in terms)
            {
                var query = Query(term, parameters);
                var text = term.TagOnly ? "ts_filter(d.text, '{a}')" : "d.text";

                // Stop words leave no condition behind, as in the word search.
                sql.Append(CultureInfo.InvariantCulture, $" AND (numnode({query}) = 0 OR {exists} (SELECT FROM lexical_documents d WHERE d.image_id = {image} AND {text} @@ {query}))");
            }
        }

        return sql.ToString();
    }

    private string Query(WordTerm term, NpgsqlParameterCollection parameters)
    {
        parameters.Add(new() { Value = term.Prefix ? "'" + term.Text.ToLowerInvariant().Replace("\\", "", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal) + "':*" : term.Text });
        var text = string.Create(CultureInfo.InvariantCulture, $"${parameters.Count}");
        if (term.Prefix)
        {
            return $"{text}::tsquery";
        }

        parameters.Add(new() { Value = Language });
        var language = string.Create(CultureInfo.InvariantCulture, $"${parameters.Count}::text::regconfig");
        return term.Phrase ? $"phraseto_tsquery({language}, {text})" : $"plainto_tsquery({language}, {text})";
    }
}
