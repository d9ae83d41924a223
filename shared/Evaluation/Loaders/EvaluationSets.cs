namespace ImageSearch.Evaluation.Loaders;

/// <summary>Finds out which format a folder has.</summary>
public static class EvaluationSets
{
    /// <summary>The set in this folder, or those in the folders right below it.</summary>
    /// <exception cref="EvaluationSetException">Nothing there has a format that is known here.</exception>
    public static IReadOnlyList<EvaluationSet> Open(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new EvaluationSetException($"There is no folder {folder}.");
        }

        if (Annotated(folder) is { } annotated)
        {
            return [annotated];
        }

        // A folder whose folders are sets themselves; pictures without any annotation are a set only beside others.
        var below = Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal).ToArray();
        var sets = below.Where(f => Loader(f) is not null).ToArray();
        if (sets.Length > 0)
        {
            return [.. below.Where(f => sets.Contains(f) || PictureFiles.Any(f)).Select(f => Annotated(f) ?? Plain(f))];
        }

        return PictureFiles.Any(folder) ? [Plain(folder)]
            : throw new EvaluationSetException($"{folder} holds no data set: a folder per class, captions.txt, COCO's or VOC's annotations, Oxford's or Paris' lists, or pictures are expected.");
    }

    /// <summary>Pictures without annotations, such as Kodak's: each can only be asked for by a changed copy of itself.</summary>
    public static EvaluationSet Plain(string folder) => new(
        PictureFiles.NameOf(folder), "pictures", [.. PictureFiles.In(folder, below: true).Select(f => new EvaluationPicture(Path.GetRelativePath(folder, f).Replace('\\', '/'), f))], []);

    private static EvaluationSet? Annotated(string folder) => Loader(folder)?.Invoke(folder);

    private static Func<string, EvaluationSet>? Loader(string folder) =>
        CaptionsFile.Fits(folder) ? CaptionsFile.Load
        : Coco.Fits(folder) ? Coco.Load
        : PascalVoc.Fits(folder) ? PascalVoc.Load
        : OxfordParis.Fits(folder) ? OxfordParis.Load
        : ClassFolders.Fits(folder) ? ClassFolders.Load
        : null;
}
