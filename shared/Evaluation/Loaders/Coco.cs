using System.Text.Json;

namespace ImageSearch.Evaluation.Loaders;

/// <summary>
/// COCO: <c>captions_*.json</c> and <c>instances_*.json</c> in the folder or in its <c>annotations</c>, pictures anywhere below it. Captions
/// become caption queries; categories become labels. Pictures that are not there are left out, so that a part of COCO will do.
/// </summary>
public static class Coco
{
    public static bool Fits(string folder) => Annotations(folder, "captions").Concat(Annotations(folder, "instances")).Any();

    /// <exception cref="EvaluationSetException">Not COCO's JSON, or none of its pictures is there.</exception>
    public static EvaluationSet Load(string folder)
    {
        var files = PictureFiles.ByFileName(folder);
        Dictionary<string, HashSet<string>> labels = new(StringComparer.Ordinal);
        List<EvaluationQuery> queries = [];
        foreach (var file in Annotations(folder, "captions"))
        {
            Read(file, files, labels, (annotation, picture, _) => queries.Add(EvaluationSet.CaptionQuery(annotation.GetProperty("caption").GetString()!.Trim(), picture)));
        }

        foreach (var file in Annotations(folder, "instances"))
        {
            Read(file, files, labels, (annotation, picture, categories) => labels[picture].Add(categories[annotation.GetProperty("category_id").GetInt64()]));
        }

        var pictures = labels.Keys.Order(StringComparer.Ordinal).ToArray();
        return pictures.Length == 0
            ? throw new EvaluationSetException($"None of the pictures that the annotations in {folder} name is there.")
            : new(PictureFiles.NameOf(folder), "COCO", [.. pictures.Select(p => new EvaluationPicture(p, files[p]))],
                [.. queries, .. EvaluationSet.LabelQueries([.. pictures.Select(p => (p, (IReadOnlySet<string>)labels[p]))])]);
    }

    private static void Read(
        string file, Dictionary<string, string> files, Dictionary<string, HashSet<string>> labels, Action<JsonElement, string, Dictionary<long, string>> take)
    {
        try
        {
            using var stream = File.OpenRead(file);
            using var json = JsonDocument.Parse(stream);
            var names = json.RootElement.GetProperty("images").EnumerateArray()
                .Select(i => (Id: i.GetProperty("id").GetInt64(), Name: i.GetProperty("file_name").GetString()!))
                .Where(i => files.ContainsKey(i.Name)).ToDictionary(i => i.Id, i => i.Name);
            foreach (var name in names.Values)
            {
                labels.TryAdd(name, new(StringComparer.Ordinal));
            }

            Dictionary<long, string> categories = json.RootElement.TryGetProperty("categories", out var list)
                ? list.EnumerateArray().ToDictionary(c => c.GetProperty("id").GetInt64(), c => c.GetProperty("name").GetString()!)
                : [];
            foreach (var annotation in json.RootElement.GetProperty("annotations").EnumerateArray())
            {
                if (names.TryGetValue(annotation.GetProperty("image_id").GetInt64(), out var picture))
                {
                    take(annotation, picture, categories);
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new EvaluationSetException($"{file} is not COCO's format: {e.Message}");
        }
    }

    private static IEnumerable<string> Annotations(string folder, string kind) =>
        new[] { folder, Path.Combine(folder, "annotations") }.Where(Directory.Exists).SelectMany(f => Directory.EnumerateFiles(f, kind + "*.json")).Order(StringComparer.Ordinal);
}
