using System.Text;

namespace ImageSearch.Evaluation.Loaders;

/// <summary>
/// Captions as Flickr8k's download has them: <c>captions.txt</c> or <c>captions.csv</c>, first line <c>image,caption</c>, then one caption a
/// line, several for each picture. Fields in double quotes may hold commas, doubled quotes and line ends (RFC 4180).
/// </summary>
public static class CaptionsFile
{
    private static readonly string[] Names = ["captions.txt", "captions.csv"];

    public static bool Fits(string folder) => Find(folder) is not null;

    /// <exception cref="EvaluationSetException">A line lacks its caption, or no picture of the file is there.</exception>
    public static EvaluationSet Load(string folder)
    {
        var file = Find(folder) ?? throw new EvaluationSetException($"{folder} has no captions.txt.");
        var files = PictureFiles.ByFileName(folder);
        List<EvaluationQuery> queries = [];
        HashSet<string> named = new(StringComparer.Ordinal);
        foreach (var (line, fields) in Rows(File.ReadAllText(file)).Skip(1))
        {
            if (fields.Count < 2)
            {
                throw new EvaluationSetException($"{file}, line {line}: a picture's name and a caption are expected.");
            }

            // Captions that hold commas stand without quotes in Flickr8k's own file.
            var (name, caption) = (fields[0].Trim(), string.Join(',', fields.Skip(1)).Trim());
            if (caption.Length > 0 && files.ContainsKey(name))
            {
                named.Add(name);
                queries.Add(EvaluationSet.CaptionQuery(caption, name));
            }
        }

        return queries.Count == 0
            ? throw new EvaluationSetException($"None of the pictures that {file} names lies in {folder}.")
            : new(PictureFiles.NameOf(folder), "captions file", [.. named.Order(StringComparer.Ordinal).Select(n => new EvaluationPicture(n, files[n]))], queries);
    }

    /// <summary>Records of a comma-separated file with the number of the line each starts on; empty lines are left out.</summary>
    internal static IEnumerable<(int Line, List<string> Fields)> Rows(string text)
    {
        List<string> fields = [];
        var field = new StringBuilder();
        var (quoted, line, start) = (false, 1, 1);
        for (var i = 0; i <= text.Length; i++)
        {
            var c = i < text.Length ? text[i] : '\n';
            if (quoted && i < text.Length)
            {
                if (c == '"' && i + 1 < text.Length && text[i + 1] == '"')
                {
                    field.Append('"');
                    i++;
                }
                else if (c == '"')
                {
                    quoted = false;
                }
                else
                {
                    field.Append(c);
                    line += c == '\n' ? 1 : 0;
                }
            }
            else if (c == '"' && field.Length == 0)
            {
                quoted = true;
            }
            else if (c is ',' or '\n')
            {
                fields.Add(field.ToString().TrimEnd('\r'));
                field.Clear();
                if (c == '\n')
                {
                    if (fields.Count > 1 || fields[0].Length > 0)
                    {
                        yield return (start, fields);
                    }

                    (fields, start) = ([], ++line);
                }
            }
            else
            {
                field.Append(c);
            }
        }
    }

    private static string? Find(string folder) => Names.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists);
}
