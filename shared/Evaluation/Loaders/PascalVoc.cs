using System.Xml;
using System.Xml.Linq;

namespace ImageSearch.Evaluation.Loaders;

/// <summary>PASCAL VOC: <c>Annotations/*.xml</c>, one for each picture, pictures anywhere below the folder (<c>JPEGImages</c>); the objects' names are the labels.</summary>
public static class PascalVoc
{
    public static bool Fits(string folder) => Folder(folder) is { } annotations && Directory.EnumerateFiles(annotations, "*.xml").Any();

    /// <summary>Objects marked difficult do not count, as in VOC's own rules: a picture with nothing but such ones is neither right nor wrong for their label.</summary>
    /// <exception cref="EvaluationSetException">Not VOC's XML, or none of its pictures is there.</exception>
    public static EvaluationSet Load(string folder)
    {
        var files = PictureFiles.ByFileName(folder);
        List<(string Picture, IReadOnlySet<string> Labels, HashSet<string> Difficult)> labelled = [];
        foreach (var file in Directory.EnumerateFiles(Folder(folder)!, "*.xml").Order(StringComparer.Ordinal))
        {
            try
            {
                using var reader = XmlReader.Create(file, new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
                var root = XElement.Load(reader);
                var name = root.Element("filename")?.Value.Trim() ?? throw new EvaluationSetException($"{file} names no picture (element filename).");
                var objects = root.Elements("object")
                    .Select(o => (Name: o.Element("name")?.Value.Trim() ?? throw new EvaluationSetException($"{file} has an object without a name."), Difficult: o.Element("difficult")?.Value.Trim() == "1"))
                    .ToArray();
                if (files.ContainsKey(name))
                {
                    var labels = objects.Where(o => !o.Difficult).Select(o => o.Name).ToHashSet(StringComparer.Ordinal);
                    labelled.Add((name, labels, objects.Select(o => o.Name).Where(n => !labels.Contains(n)).ToHashSet(StringComparer.Ordinal)));
                }
            }
            catch (XmlException e)
            {
                throw new EvaluationSetException($"{file} is not XML: {e.Message}");
            }
        }

        if (labelled.Count == 0)
        {
            throw new EvaluationSetException($"None of the pictures that the annotations in {folder} name is there.");
        }

        var queries = EvaluationSet.LabelQueries([.. labelled.Select(p => (p.Picture, p.Labels))])
            .Select(q => q with { Ignored = q.Ignored.Concat(labelled.Where(p => p.Difficult.Contains(q.Text!)).Select(p => p.Picture)).ToHashSet() });
        return new(PictureFiles.NameOf(folder), "PASCAL VOC", [.. labelled.Select(p => new EvaluationPicture(p.Picture, files[p.Picture]))], [.. queries]);
    }

    private static string? Folder(string folder) => Path.Combine(folder, "Annotations") is var path && Directory.Exists(path) ? path : null;
}
