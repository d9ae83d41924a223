using System.Numerics.Tensors;
using System.Text.Json;
using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>One line of a check.</summary>
public sealed record CheckResult(string Name, bool Passed, string Detail);

/// <summary>
/// Runs an embedding model's own cases (file role <c>cases</c>: <c>[{"text","ids","vector"}]</c>) and tries its picture tower, so that a model that was exported, copied or moved to
/// another machine shows that it still gives what it gave.
/// </summary>
public static class ModelCheck
{
    /// <summary>int8 text towers differ in the fourth decimal between processors.</summary>
    private const float MinCosine = 0.999f;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Never throws for a bad model: each failure is a result.</summary>
    public static async Task<IReadOnlyList<CheckResult>> RunAsync(ModelManifest manifest, ModelsOptions options, CancellationToken cancellationToken = default)
    {
        var results = new List<CheckResult>();
        if (!Try("files", results, () =>
        {
            manifest.VerifyFiles();
            return $"{manifest.Files.Count} files have their SHA-256";
        }))
        {
            return results;
        }

        EmbeddingModel? model = null;
        if (!Try("manifest", results, () =>
        {
            model = EmbeddingModel.Open(manifest, options);
            return $"{model.Dimensions} dimensions from {model.Source.ToString().ToLowerInvariant()}";
        }))
        {
            return results;
        }

        using (model)
        {
            if (model!.Towers.Extra.ContainsKey("text"))
            {
                Try("text", results, () => CheckTexts(model!));
            }

            await TryAsync("pictures", results, () => CheckPicturesAsync(model!, cancellationToken)).ConfigureAwait(false);
            if (model.Towers.Files.ContainsKey("tags"))
            {
                Try("tags", results, () => model!.Tagger is null ? throw new ModelException("no tags") : "tags.json is well formed");
            }
        }

        return results;
    }

    private static string CheckTexts(EmbeddingModel model)
    {
        if (!model.Towers.Files.ContainsKey("cases"))
        {
            var length = model.Text.EncodeQuery("a dog on the beach").Length;
            return $"the text tower runs ({length} dimensions); the manifest has no cases to compare with";
        }

        var cases = JsonSerializer.Deserialize<TextCase[]>(File.ReadAllBytes(model.Towers.PathOf("cases")), Json) ?? [];
        var worst = 1f;
        foreach (var c in cases)
        {
            var ids = model.Text.Tokenizer.Encode(c.Text, model.Text.ContextLength);
            if (!ids.SequenceEqual(c.Ids))
            {
                throw new ModelException($"'{c.Text}' gives the token ids {string.Join(' ', ids)} instead of {string.Join(' ', c.Ids)}.");
            }

            var cosine = TensorPrimitives.CosineSimilarity(model.Text.Encode(c.Text), c.Vector);
            worst = Math.Min(worst, cosine);
            if (!(cosine >= MinCosine))
            {
                throw new ModelException($"'{c.Text}' gives a vector with cosine {cosine:0.####} to the recorded one; {MinCosine} is the least.");
            }
        }

        return $"{cases.Length} texts give their recorded ids and vectors (least cosine {worst:0.#####})";
    }

    private static async Task<string> CheckPicturesAsync(EmbeddingModel model, CancellationToken cancellationToken)
    {
        // Two shapes at once, each twice: same input, same vector, in whatever batch.
        var tasks = new List<Task<PictureEmbedding>>();
        foreach (var (width, height) in new[] { (16, 12), (24, 16), (16, 12), (24, 16) })
        {
            tasks.Add(model.Source == EmbeddingSource.Latents ? model.EmbedLatentsAsync(Latents(model, width, height), cancellationToken)
                : model.EmbedPictureAsync(Pixels(width * 16, height * 16), cancellationToken));
        }

        var embeddings = await Task.WhenAll(tasks).ConfigureAwait(false);
        var cosine = TensorPrimitives.CosineSimilarity<float>(embeddings[0].Vector, embeddings[2].Vector);
        return cosine > MinCosine ? $"the picture tower runs ({embeddings[0].Vector.Length} dimensions)"
            : throw new ModelException($"the same picture twice in one batch gives vectors with cosine {cosine:0.####}.");
    }

    private static LatentInput Latents(EmbeddingModel model, int width, int height)
    {
        var channels = EmbeddingManifest.Read(model.Towers).Latents!.Channels;
        var random = new Random(width);
        return new LatentInput(channels, height, width, [.. Enumerable.Range(0, channels * height * width).Select(_ => (float)random.Next(-3, 4))]);
    }

    private static Picture Pixels(int width, int height)
    {
        var pixels = new byte[width * height * 3];
        new Random(width).NextBytes(pixels);
        return new Picture(width, height, 3, pixels);
    }

    private static bool Try(string name, List<CheckResult> results, Func<string> check)
    {
        try
        {
            results.Add(new CheckResult(name, true, check()));
            return true;
        }
        catch (Exception e) when (e is ModelException or InvalidDataException or IOException or JsonException)
        {
            results.Add(new CheckResult(name, false, e.Message));
            return false;
        }
    }

    private static async Task TryAsync(string name, List<CheckResult> results, Func<Task<string>> check)
    {
        try
        {
            results.Add(new CheckResult(name, true, await check().ConfigureAwait(false)));
        }
        catch (Exception e) when (e is ModelException or InvalidDataException)
        {
            results.Add(new CheckResult(name, false, e.Message));
        }
    }

    private sealed record TextCase(string Text, int[] Ids, float[] Vector);
}
