namespace ImageSearch.Evaluation.Loaders;

internal static class PictureFiles
{
    private static readonly HashSet<string> Endings = new(StringComparer.OrdinalIgnoreCase) { ".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff" };

    public static IEnumerable<string> In(string folder, bool below = false) =>
        Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = below, AttributesToSkip = FileAttributes.Hidden })
            .Where(f => Endings.Contains(Path.GetExtension(f))).Order(StringComparer.Ordinal);

    public static bool Any(string folder) => In(folder).Any();

    /// <summary>File names without folder and ending, for annotations that name pictures so; of two alike the first in byte order counts.</summary>
    public static Dictionary<string, string> ByStem(string folder) =>
        In(folder, below: true).DistinctBy(Path.GetFileNameWithoutExtension).ToDictionary(f => Path.GetFileNameWithoutExtension(f), StringComparer.Ordinal);

    public static Dictionary<string, string> ByFileName(string folder) =>
        In(folder, below: true).DistinctBy(Path.GetFileName).ToDictionary(f => Path.GetFileName(f), StringComparer.Ordinal);

    public static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
}
