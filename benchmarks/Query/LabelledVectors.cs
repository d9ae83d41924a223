using System.Runtime.InteropServices;
using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using Microsoft.Extensions.Options;

namespace ImageSearch.Benchmarks.Query;

/// <summary>Labelled pictures and the names of their labels in a model's space. Kept in files, since embedding takes minutes and fitting seconds.</summary>
/// <param name="Labels">Label of each picture.</param>
/// <param name="Pictures">Unit vectors.</param>
/// <param name="Names">Distinct labels.</param>
/// <param name="Texts">Unit vectors of the names, prompt templates applied.</param>
internal sealed record LabelledVectors(string[] Labels, float[][] Pictures, string[] Names, float[][] Texts)
{
    /// <param name="folder"><c>LABEL/picture</c>, or pictures called <c>ID_LABEL.jpg</c>.</param>
    /// <param name="most">Pictures of one label that are taken.</param>
    public static async Task<LabelledVectors> EmbedAsync(SearchModel model, string folder, int most)
    {
        List<(string Label, float[] Vector)> pictures = [];
        foreach (var label in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).GroupBy(f => Label(f, folder)))
        {
            foreach (var file in label.Take(most))
            {
                try
                {
                    pictures.Add((label.Key, await model.EncodePicture(QueryPicture.Decode(await File.ReadAllBytesAsync(file)), default)));
                }
                catch (PictureException e)
                {
                    await Console.Error.WriteLineAsync($"{file}: {e.Message}");
                }
            }
        }

        string[] names = [.. pictures.Select(p => p.Label).Distinct()];
        return new([.. pictures.Select(p => p.Label)], [.. pictures.Select(p => p.Vector)], names, [.. names.Select(model.EncodeText)]);
    }

    public static SearchModel Open(ModelOpener opener, string models, string name) =>
        opener.Open(new RegisteredModel(1, name, ModelManifest.Load(models, name).Get<int>("dimensions"), null, "active"));

    public static ModelOpener Opener(string models) => new(Options.Create(new ModelsOptions { Directory = models }));

    public void Save(string prefix)
    {
        File.WriteAllLines(prefix + ".labels", Labels);
        File.WriteAllLines(prefix + ".names", Names);
        WriteVectors(prefix + ".pictures.f32", Pictures);
        WriteVectors(prefix + ".texts.f32", Texts);
    }

    public static LabelledVectors Load(string prefix, int dimensions) => new(
        File.ReadAllLines(prefix + ".labels"), ReadVectors(prefix + ".pictures.f32", dimensions), File.ReadAllLines(prefix + ".names"), ReadVectors(prefix + ".texts.f32", dimensions));

    public static void WriteVectors(string path, IEnumerable<float[]> vectors)
    {
        using var stream = File.Create(path);
        foreach (var vector in vectors)
        {
            stream.Write(MemoryMarshal.AsBytes<float>(vector));
        }
    }

    private static float[][] ReadVectors(string path, int dimensions) => [.. MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray().Chunk(dimensions)];

    private static string Label(string file, string folder)
    {
        var parent = Path.GetDirectoryName(Path.GetRelativePath(folder, file))!;
        var name = parent.Length > 0 ? Path.GetFileName(parent) : Path.GetFileNameWithoutExtension(file) is var f && f.Contains('_', StringComparison.Ordinal) ? f[(f.IndexOf('_', StringComparison.Ordinal) + 1)..] : f;
        return name.ToLowerInvariant().Replace('_', ' ');
    }
}
