using System.Globalization;
using System.Text;
using ImageSearch.Contracts;

namespace ImageSearch.Catalog.Operations;

/// <summary>The search text is not of the form that <see cref="FailureSearch"/> reads; the message says where.</summary>
public sealed class FailureSearchException(string message) : Exception(message);

/// <summary>
/// Search over failed messages, as a condition in SQL with positional parameters. Words are joined by AND unless OR stands between them,
/// NOT (or -) negates, parentheses group, "quotes" hold phrases. A word looks at everything; <c>field:word</c> at one of exception, message,
/// frame, endpoint, type, key, body (its first 4 KiB), trace, image (number or 64 digits), group, retry. Upper and lower case are the same.
/// </summary>
public sealed class FailureSearch
{
    /// <summary>Stands in the searched text between what is known about a message and the start of its body.</summary>
    public const char BodyMark = '\u0001';

    private readonly StringBuilder sql = new();
    private readonly List<(string Text, bool Quoted)> tokens;
    private int position;

    private FailureSearch(string text, List<object?> parameters)
    {
        tokens = Tokens(text);
        Parameters = parameters;
    }

    private List<object?> Parameters { get; }

    /// <param name="text">What the user typed; null or blank matches all.</param>
    /// <param name="parameters">Values are appended here; placeholders go on from its present length.</param>
    /// <returns>A condition over the columns of failed_messages (alias f).</returns>
    /// <exception cref="FailureSearchException">Unbalanced parentheses, a missing word, an unknown field.</exception>
    public static string ToSql(string? text, List<object?> parameters)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return "true";
        }

        var search = new FailureSearch(text, parameters);
        search.Or();
        return search.position == search.tokens.Count
            ? search.sql.ToString()
            : throw new FailureSearchException($"'{search.tokens[search.position].Text}' is one too many in the search; check the parentheses.");
    }

    private bool Next(string word) => position < tokens.Count && !tokens[position].Quoted && tokens[position].Text == word;

    private void Or()
    {
        sql.Append('(');
        And();
        while (Next("OR"))
        {
            position++;
            sql.Append(" OR ");
            And();
        }

        sql.Append(')');
    }

    private void And()
    {
        Not();
        while (position < tokens.Count && !Next("OR") && !Next(")"))
        {
            if (Next("AND"))
            {
                position++;
            }

            sql.Append(" AND ");
            Not();
        }
    }

    private void Not()
    {
        if (Next("NOT"))
        {
            position++;
            sql.Append("NOT ");
            Not();
        }
        else if (Next("("))
        {
            position++;
            Or();
            if (!Next(")"))
            {
                throw new FailureSearchException("A closing parenthesis is missing in the search.");
            }

            position++;
        }
        else if (position == tokens.Count || Next("AND") || Next("OR") || Next(")"))
        {
            throw new FailureSearchException("A word is missing in the search.");
        }
        else
        {
            Term(tokens[position].Text, tokens[position].Quoted);
            position++;
        }
    }

    private void Term(string text, bool quoted)
    {
        if (!quoted && text.Length > 1 && text[0] == '-')
        {
            sql.Append("NOT ");
            text = text[1..];
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var field = !quoted && colon > 0 && text[..colon].All(char.IsAsciiLetter) ? text[..colon].ToLowerInvariant() : "";
        var word = field.Length > 0 ? text[(colon + 1)..] : text;
        if (word.Length == 0)
        {
            throw new FailureSearchException($"A word is missing after '{field}:' in the search.");
        }

        sql.Append(field switch
        {
            "" => Text(Pattern(word)),
            "exception" => $"coalesce(f.exception_type, '') ILIKE {Pattern(word)}",
            "message" => $"f.exception_message ILIKE {Pattern(word)}",
            "frame" => $"f.first_frame ILIKE {Pattern(word)}",
            "endpoint" => $"f.endpoint = {Bind(word.ToLowerInvariant())}",
            "type" => $"coalesce(f.message_type, '') ILIKE {Pattern(word)}",
            "key" => $"coalesce(f.bucket || '/' || f.key, '') ILIKE {Pattern(word)}",
            "body" => Text(Pattern(word, "%" + BodyMark)),
            "trace" => $"coalesce(f.trace_id, '') = {Bind(word.ToLowerInvariant())}",
            "group" => $"f.group_key = {Bind(word.ToLowerInvariant())}",
            "retry" => long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var retry)
                ? $"EXISTS (SELECT FROM retry_items r WHERE r.failure_id = f.id AND r.retry_id = {Bind(retry)})"
                : throw new FailureSearchException($"'{word}' is no number of a retry."),
            "image" => Image(word),
            _ => throw new FailureSearchException(
                $"The search knows no field '{field}'. Fields are exception, message, frame, endpoint, type, image, key, body, trace, group and retry; put the word in quotes to search for the colon."),
        });
    }

    private static string Text(string pattern) => $"EXISTS (SELECT FROM failure_texts t WHERE t.failure_id = f.id AND t.text LIKE {pattern})";

    private string Image(string word) =>
        ImageId.TryParse(word, out var id) ? $"coalesce(f.sha256 = {Bind(id.ToBytes())}, false)"
        : long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var image) ? $"coalesce(f.image_id = {Bind(image)}, false)"
        : throw new FailureSearchException($"'{word}' is no image: a number or 64 hexadecimal digits are needed.");

    private string Bind(object value)
    {
        Parameters.Add(value);
        return "$" + Parameters.Count.ToString(CultureInfo.InvariantCulture);
    }

    private string Pattern(string word, string before = "") =>
        Bind(before + "%" + word.ToLowerInvariant().Replace("\\", "\\\\").Replace("%", "\\%").Replace("_", "\\_") + "%");

    private static List<(string Text, bool Quoted)> Tokens(string text)
    {
        List<(string, bool)> tokens = [];
        for (var i = 0; i < text.Length;)
        {
            if (char.IsWhiteSpace(text[i]))
            {
                i++;
            }
            else if (text[i] is '(' or ')')
            {
                tokens.Add((text[i++].ToString(), false));
            }
            else
            {
                var word = new StringBuilder();
                var whole = text[i] == '"';
                while (i < text.Length && !char.IsWhiteSpace(text[i]) && text[i] is not ('(' or ')'))
                {
                    if (text[i] != '"')
                    {
                        word.Append(text[i++]);
                        continue;
                    }

                    var end = text.IndexOf('"', i + 1);
                    if (end < 0)
                    {
                        throw new FailureSearchException("A closing quotation mark is missing in the search.");
                    }

                    word.Append(text, i + 1, end - i - 1);
                    i = end + 1;
                }

                tokens.Add((word.ToString(), whole));
            }
        }

        return tokens;
    }
}
