using System.Text;

namespace ImageSearch.Inference.Tuning;

/// <summary>One line of a pair file.</summary>
/// <param name="Line">Counted from 1, where the record begins.</param>
/// <param name="Image">SHA-256 of the picture, or the key under which it was uploaded.</param>
public sealed record PairLine(int Line, string Image, string Text);

/// <summary>Pairs as CSV (RFC 4180): <c>image,text</c>, with or without that header. A field in double quotes may hold commas, doubled quotes and line breaks.</summary>
public static class PairFile
{
    private const int ShownErrors = 20;

    /// <exception cref="InvalidDataException">Lines are malformed; the message names each, up to twenty.</exception>
    public static IReadOnlyList<PairLine> Read(TextReader reader)
    {
        List<PairLine> pairs = [];
        List<string> errors = [];
        var text = reader.ReadToEnd().TrimStart('\uFEFF');
        var (position, line, first) = (0, 1, true);
        while (position < text.Length)
        {
            var start = line;
            var (fields, error) = Record(text, ref position, ref line);
            var header = first && fields is [var a, var b] && a.Trim().Equals("image", StringComparison.OrdinalIgnoreCase) && b.Trim().Equals("text", StringComparison.OrdinalIgnoreCase);
            if (header || (error is null && fields is [var only] && string.IsNullOrWhiteSpace(only)))
            {
                first = first && !header;
                continue;
            }

            first = false;
            error ??= fields switch
            {
                [_] => "the comma between image and text is missing",
                { Count: > 2 } => $"{fields.Count} fields instead of 2; put a text that holds commas in double quotes",
                [var image, _] when string.IsNullOrWhiteSpace(image) => "the image is missing",
                [_, var words] when string.IsNullOrWhiteSpace(words) => "the text is missing",
                _ => null,
            };
            if (error is null)
            {
                pairs.Add(new(start, fields[0].Trim(), string.Join(' ', fields[1].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))));
            }
            else
            {
                errors.Add($"line {start}: {error}");
            }
        }

        ThrowIfAny(errors);
        return pairs;
    }

    /// <exception cref="InvalidDataException">There are errors.</exception>
    public static void ThrowIfAny(IReadOnlyList<string> errors)
    {
        if (errors.Count > 0)
        {
            var more = errors.Count > ShownErrors ? $"{Environment.NewLine}and {errors.Count - ShownErrors} more" : "";
            throw new InvalidDataException($"The pairs cannot be used:{Environment.NewLine}{string.Join(Environment.NewLine, errors.Take(ShownErrors))}{more}");
        }
    }

    private static (List<string> Fields, string? Error) Record(string text, ref int position, ref int line)
    {
        List<string> fields = [];
        string? error = null;
        while (true)
        {
            var field = new StringBuilder();
            if (position < text.Length && text[position] == '"')
            {
                error ??= Quoted(text, ref position, ref line, field);
            }

            while (position < text.Length && text[position] is not (',' or '\r' or '\n'))
            {
                if (text[position] == '"')
                {
                    error ??= "a double quote inside a field; put the field in double quotes and write the quote twice";
                }

                field.Append(text[position++]);
            }

            fields.Add(field.ToString());
            if (position < text.Length && text[position] == ',')
            {
                position++;
                continue;
            }

            if (position < text.Length)
            {
                position += text[position] == '\r' && position + 1 < text.Length && text[position + 1] == '\n' ? 2 : 1;
                line++;
            }

            return (fields, error);
        }
    }

    private static string? Quoted(string text, ref int position, ref int line, StringBuilder field)
    {
        for (position++; position < text.Length; position++)
        {
            if (text[position] == '"')
            {
                if (position + 1 >= text.Length || text[position + 1] != '"')
                {
                    position++;
                    return position < text.Length && text[position] is not (',' or '\r' or '\n') ? "characters after a closing double quote" : null;
                }

                position++;
            }
            else if (text[position] == '\n')
            {
                line++;
            }

            field.Append(text[position]);
        }

        return "a double quote is not closed";
    }
}
