using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using Microsoft.Extensions.Options;

namespace ImageSearch.Benchmarks.Query;

/// <summary>
/// Fits a model's calibration on labelled pictures. Half of the labels make up the collection, the names of the other half ask for what is not
/// there; then the other way round. Prints what share of the absent is called so, and what share of the true matches among the first five is cut.
/// </summary>
internal static class Calibrate
{
    private const int Top = 5;

    private sealed record Hit(double Deviations, bool True);

    private sealed record Query(bool Present, IReadOnlyList<Hit> Hits);

    public static async Task RunAsync(string models, string folder, string? background)
    {
        var settings = new ModelsOptions { Directory = models };
        using var opener = new ModelOpener(Options.Create(settings));
        var dimensions = ModelManifest.Load(models, settings.Embedding).Get<int>("dimensions");
        using var model = opener.Open(new RegisteredModel(1, settings.Embedding, dimensions, null, "active"));
        List<(string Label, float[] Vector)> pictures = [];
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            try
            {
                var picture = ImageFiles.DecodeScaled(await File.ReadAllBytesAsync(file), 1024);
                pictures.Add((Path.GetFileName(Path.GetDirectoryName(file)!).ToLowerInvariant().Replace('_', ' '), await model.EncodePicture(picture, default)));
            }
            catch (PictureException e)
            {
                Console.Error.WriteLine($"{file}: {e.Message}");
            }
        }

        if (background is not null)
        {
            await using var stream = File.Create(background);
            foreach (var (_, vector) in pictures.Where((_, i) => i % Math.Max(1, pictures.Count / 500) == 0))
            {
                stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(vector));
            }
        }

        var labels = pictures.Select(p => p.Label).Distinct().ToArray();
        List<Query> text = [], image = [];
        foreach (var half in (int[])[0, 1])
        {
            var inside = labels.Where((_, i) => i % 2 == half).ToHashSet();
            var collection = pictures.Where(p => inside.Contains(p.Label)).ToArray();
            var reference = model.Shipped.Count > 0 ? model.Shipped : [.. collection.Select(p => p.Vector)];
            text.AddRange(labels.Select(l => Ask(model.EncodeText(l), l, null, collection, reference)));
            image.AddRange(pictures.Where((_, i) => i % 4 == 0).Select(p => Ask(p.Vector, p.Label, p.Vector, collection, reference)));
        }

        Console.WriteLine($"{settings.Embedding}: {pictures.Count} pictures, {labels.Length} labels, reference {(model.Shipped.Count > 0 ? "shipped" : "from the collection")}");
        Report("text", text);
        Report("image", image);
    }

    private static Query Ask(float[] query, string label, float[]? self, (string Label, float[] Vector)[] collection, IReadOnlyList<float[]> reference)
    {
        var spread = Background.Of(query, reference);
        Hit[] hits = [.. collection.Where(p => p.Vector != self).Select(p => new Hit(spread.Deviations(TensorPrimitives.Dot<float>(query, p.Vector)), p.Label == label))
            .OrderByDescending(h => h.Deviations).Take(Top)];
        return new(collection.Any(p => p.Label == label), hits);
    }

    private static void Report(string kind, IReadOnlyList<Query> queries)
    {
        var absent = queries.Where(q => !q.Present && q.Hits.Count > 0).Select(q => q.Hits[0].Deviations).ToArray();
        var found = queries.SelectMany(q => q.Hits).Where(h => h.True).Select(h => h.Deviations).ToArray();
        Console.WriteLine($"\n| {kind}: cut at z | absent called so | true matches in the top {Top} cut |\n|---|---|---|");
        var best = (Midpoint: 0.0, Loss: double.MaxValue);
        for (var cut = 1.5; cut <= 8; cut += 0.25)
        {
            var (said, lost) = (absent.Count(z => z < cut) / (double)absent.Length, found.Count(z => z < cut) / (double)Math.Max(1, found.Length));

            // The goals are 80 % said and 10 % cut; falling short of either costs in proportion.
            var loss = Math.Max(0, 0.8 - said) + Math.Max(0, lost - 0.1) + (0.01 * (1 - said + lost));
            best = loss < best.Loss ? (cut, loss) : best;
            Console.WriteLine($"| {cut:0.00} | {said:P0} | {lost:P0} |");
        }

        Console.WriteLine($"\"relevance\".\"{kind}\": {{ \"midpoint\": {best.Midpoint:0.00}, \"slope\": {Slope(best.Midpoint, absent, found):0.00} }}");
    }

    /// <summary>Slope of the logistic curve with this midpoint that makes the labels likeliest, both kinds counting the same.</summary>
    private static double Slope(double midpoint, double[] absent, double[] found)
    {
        static double Loss(double x) => x > 30 ? x : Math.Log(1 + Math.Exp(x));
        double Of(double slope) => absent.Average(z => Loss(slope * (z - midpoint))) + found.Average(z => Loss(-slope * (z - midpoint)));
        return Enumerable.Range(2, 59).Select(i => i * 0.05).MinBy(Of);
    }
}
