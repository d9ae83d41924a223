using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ImageSearch.Captioner.Chat;

/// <param name="Tags">Lower case, each once, at most <see cref="CaptionJson.MostTags"/>.</param>
public sealed record CaptionAnswer(string[] Tags, string Caption);

/// <summary>
/// Reads tags and caption out of what a model wrote. Models put JSON into code fences and prose, leave commas, cut it off, take other names or types:
/// whatever is recognisable is taken.
/// </summary>
public static partial class CaptionJson
{
    public const int MostTags = 40;
    public const int LongestTag = 64;
    public const int LongestCaption = 1000;

    private static readonly string[] TagNames = ["tags", "tag", "keywords", "key_words", "labels"];
    private static readonly string[] CaptionNames = ["caption", "description", "text", "sentence"];
    private static readonly string[] ItemNames = ["tag", "name", "label", "keyword", "text"];

    private static readonly JsonDocumentOptions Lenient = new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    /// <returns>Null if there is neither a tag nor a caption.</returns>
    public static CaptionAnswer? Parse(string? text)
    {
        text = WithoutHalfPairs(Thoughts().Replace(text ?? "", ""));

        // Later objects only if earlier ones say nothing: "{...}" may occur in prose before the answer.
        var start = text.IndexOf('{');
        for (var tries = 0; start >= 0 && tries < 8; tries++, start = text.IndexOf('{', start + 1))
        {
            if (ParseObject(text[start..]) is { } answer)
            {
                return answer;
            }
        }

        return null;
    }

    /// <summary>JSON whose escapes spell half of a surrogate pair is no readable string for .NET.</summary>
    public static string WithoutHalfPairs(string json) => HalfPairs().Replace(json, "\\ufffd");

    private static CaptionAnswer? ParseObject(string text)
    {
        var json = Complete(text);
        foreach (var candidate in (string[])(json.Contains('"') ? [json] : [json, json.Replace('\'', '"')]))
        {
            try
            {
                using var document = JsonDocument.Parse(candidate, Lenient);
                if (Find(document.RootElement) is { } answer)
                {
                    return answer;
                }
            }
            catch (JsonException)
            {
                // Not JSON after all; the next candidate may be.
            }
        }

        return null;
    }

    private static CaptionAnswer? Find(JsonElement e)
    {
        if (e.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var tags = Property(e, TagNames) is { } t ? Words(t) : [];
        var caption = Property(e, CaptionNames) is { } c ? Sentence(c) : "";
        if (tags.Length > 0 || caption.Length > 0)
        {
            return new(tags, caption);
        }

        // {"result": {...}}
        return e.EnumerateObject().Select(p => Find(p.Value)).FirstOrDefault(a => a is not null);
    }

    private static JsonElement? Property(JsonElement e, string[] names)
    {
        foreach (var name in names)
        {
            foreach (var property in e.EnumerateObject())
            {
                if (property.Name.Trim().Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return property.Value;
                }
            }
        }

        return null;
    }

    private static string[] Words(JsonElement e)
    {
        IEnumerable<string> words = e.ValueKind switch
        {
            JsonValueKind.Array => e.EnumerateArray().Select(Word),
            JsonValueKind.Object => e.EnumerateObject().Select(p => p.Name),
            JsonValueKind.String => e.GetString()!.Split([',', ';', '\n', '#'], StringSplitOptions.TrimEntries),
            _ => [],
        };
        return [.. words.Select(w => Clean(w, LongestTag).Trim(' ', '#', '.', ',', '"', '\'', '-', '*').ToLowerInvariant()).Where(w => w.Length > 0).Distinct().Take(MostTags)];
    }

    private static string Word(JsonElement e) => e.ValueKind switch
    {
        JsonValueKind.String => e.GetString()!,
        JsonValueKind.Number => e.GetRawText(),
        JsonValueKind.Object => Property(e, ItemNames) is { ValueKind: JsonValueKind.String } name ? name.GetString()! : "",
        _ => "",
    };

    private static string Sentence(JsonElement e) => Clean(e.ValueKind switch
    {
        JsonValueKind.String => e.GetString()!,
        JsonValueKind.Array => string.Join(' ', e.EnumerateArray().Select(Word)),
        JsonValueKind.Object => Word(e),
        _ => "",
    }, LongestCaption);

    /// <summary>One line without control characters; PostgreSQL cannot store NUL or half of a surrogate pair.</summary>
    public static string Clean(string text, int longest)
    {
        var clean = new StringBuilder(Math.Min(text.Length, longest));
        foreach (var rune in text.EnumerateRunes())
        {
            var blank = Rune.IsWhiteSpace(rune) || Rune.IsControl(rune) || rune == Rune.ReplacementChar;
            if (clean.Length + rune.Utf16SequenceLength > longest)
            {
                break;
            }

            if (!blank)
            {
                clean.Append(rune);
            }
            else if (clean is [.., not ' '])
            {
                clean.Append(' ');
            }
        }

        return clean.ToString().Trim();
    }

    /// <summary>The object that starts the text, without what follows it; what is cut off is closed.</summary>
    private static string Complete(string text)
    {
        var open = new Stack<char>();
        var (quoted, escaped, lastComma) = (false, false, (At: -1, Closers: ""));
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quoted)
            {
                (quoted, escaped) = (c != '"' || escaped, c == '\\' && !escaped);
                continue;
            }

            switch (c)
            {
                case '"':
                    quoted = true;
                    break;
                case '{':
                    open.Push('}');
                    break;
                case '[':
                    open.Push(']');
                    break;
                case ',':
                    lastComma = (i, string.Concat(open));
                    break;
                case '}' or ']' when open.Count > 0:
                    open.Pop();
                    if (open.Count == 0)
                    {
                        return text[..(i + 1)];
                    }

                    break;
            }
        }

        // Cut off: in the middle of a value that can be closed, or else back to the last whole one.
        var closed = text.TrimEnd().TrimEnd(escaped ? '\\' : ' ') + (quoted ? "\"" : "") + string.Concat(open);
        try
        {
            using var _ = JsonDocument.Parse(closed, Lenient);
            return closed;
        }
        catch (JsonException)
        {
            return lastComma.At > 0 ? text[..lastComma.At] + lastComma.Closers : closed;
        }
    }

    [GeneratedRegex("<think>.*?(</think>|$)", RegexOptions.Singleline)]
    private static partial Regex Thoughts();

    [GeneratedRegex(@"\\u[dD][89aAbB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89aAbB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")]
    private static partial Regex HalfPairs();
}
