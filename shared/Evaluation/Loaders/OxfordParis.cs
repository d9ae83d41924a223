using System.Globalization;

namespace ImageSearch.Evaluation.Loaders;

/// <summary>
/// Oxford 5k and Paris 6k (Philbin et al. 2007, 2008): for each query <c>NAME_query.txt</c> (picture and rectangle) and lists
/// <c>NAME_good.txt</c>, <c>NAME_ok.txt</c> (both right) and <c>NAME_junk.txt</c> (counts neither way), in the folder or one below it.
/// </summary>
public static class OxfordParis
{
    private const string QueryEnding = "_query.txt";

    public static bool Fits(string folder) => Queries(folder).Any();

    /// <exception cref="EvaluationSetException">A query file is broken, or its picture is not there.</exception>
    public static EvaluationSet Load(string folder)
    {
        var files = PictureFiles.ByStem(folder);
        List<EvaluationQuery> queries = [];
        foreach (var file in Queries(folder))
        {
            var parts = File.ReadAllText(file).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            var box = parts.Skip(1).Select(p => double.TryParse(p, NumberStyles.Float, CultureInfo.InvariantCulture, out var v) ? v : double.NaN).ToArray();
            if (box.Length != 4 || box.Any(double.IsNaN) || box[2] <= box[0] || box[3] <= box[1])
            {
                throw new EvaluationSetException($"{file}: a picture's name and its rectangle (left, top, right, bottom) are expected.");
            }

            // Oxford's query files write oxc1_ before the picture's name.
            var picture = parts[0].StartsWith("oxc1_", StringComparison.Ordinal) ? parts[0][5..] : parts[0];
            if (!files.ContainsKey(picture))
            {
                throw new EvaluationSetException($"{file}: the picture {picture} is not below {folder}.");
            }

            var stem = file[..^QueryEnding.Length];
            var relevant = List(stem + "_good.txt").Concat(List(stem + "_ok.txt")).Where(files.ContainsKey).ToHashSet(StringComparer.Ordinal);
            var ignored = List(stem + "_junk.txt").ToHashSet(StringComparer.Ordinal);
            if (relevant.Any(r => !ignored.Contains(r)))
            {
                queries.Add(new(QueryKind.Picture, null, picture, relevant, ignored, new(box[0], box[1], box[2] - box[0], box[3] - box[1])));
            }
        }

        return new(PictureFiles.NameOf(folder), "Oxford/Paris", [.. files.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => new EvaluationPicture(f.Key, f.Value))], queries);
    }

    private static IEnumerable<string> List(string file) => File.Exists(file) ? File.ReadAllLines(file).Select(l => l.Trim()).Where(l => l.Length > 0) : [];

    private static IEnumerable<string> Queries(string folder) =>
        Directory.EnumerateDirectories(folder).Prepend(folder).SelectMany(f => Directory.EnumerateFiles(f, "*" + QueryEnding)).Order(StringComparer.Ordinal);
}
