namespace ImageSearch.Evaluation.Loaders;

/// <summary>One folder per class, as Caltech 101 and ImageNet have it; the folder's name, with blanks for underscores, is the label.</summary>
public static class ClassFolders
{
    public static bool Fits(string folder) => Directory.EnumerateDirectories(folder).Where(PictureFiles.Any).Take(2).Count() == 2;

    public static EvaluationSet Load(string folder)
    {
        var classes = Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal).ToArray();
        var pictures = classes.SelectMany(c => PictureFiles.In(c).Select(f => (Label: Path.GetFileName(c).Replace('_', ' ').Trim(), Name: $"{Path.GetFileName(c)}/{Path.GetFileName(f)}", File: f))).ToArray();
        return new(
            PictureFiles.NameOf(folder), "folder per class", [.. pictures.Select(p => new EvaluationPicture(p.Name, p.File))],
            [.. EvaluationSet.LabelQueries([.. pictures.Select(p => (p.Name, (IReadOnlySet<string>)new HashSet<string> { p.Label }))])]);
    }
}
