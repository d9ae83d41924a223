using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tuning;

/// <summary>Writes a model that is another one's towers with a correction behind the picture tower. Only the correction is stored; the base is named by its id.</summary>
public static class TunedModel
{
    public const string BaseField = "base";
    public const string CorrectionRole = "correction";

    private const string BackgroundRole = "background";

    /// <summary>Fields of the query service that hold for a tuned model about as well as for its base.</summary>
    private static readonly string[] KeptFields = ["relevance", "denseWeight"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The name without a version that tuning <paramref name="baseName"/> gives by default.</summary>
    public static string DefaultName(string baseName) => baseName.EndsWith("-tuned", StringComparison.Ordinal) ? baseName : $"{baseName}-tuned";

    /// <param name="modelsDirectory">The new folder is <c>NAME/VERSION</c> below it, with the first version number that is free.</param>
    /// <param name="baseModel">The model whose stored vectors the correction was fitted on; it must stay in the folder.</param>
    /// <param name="mean">Mean of corrected vectors, [D].</param>
    /// <param name="tuning">What was found, for people to read; kept in the manifest.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static ModelManifest Write(string modelsDirectory, ModelManifest baseModel, string name, LinearCorrection correction, float[] mean, JsonObject tuning)
    {
        var version = 1;
        while (Directory.Exists(Path.Combine(modelsDirectory, name, $"{version}")))
        {
            version++;
        }

        // Written beside and moved, so that a half-written model is never opened.
        var target = Path.Combine(modelsDirectory, name, $"{version}");
        var part = target + ".part";
        Directory.CreateDirectory(part);
        var file = Path.Combine(part, "correction.bin");
        correction.Write(file);
        var files = new JsonObject { [CorrectionRole] = Entry(file) };
        if (baseModel.Files.ContainsKey(BackgroundRole))
        {
            var background = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(baseModel.PathOf(BackgroundRole))).ToArray().Chunk(correction.Dimensions);
            var path = Path.Combine(part, "background.bin");
            File.WriteAllBytes(path, MemoryMarshal.AsBytes<float>(background.Where(v => v.Length == correction.Dimensions).SelectMany(v => correction.Apply(v)).ToArray()).ToArray());
            files[BackgroundRole] = Entry(path);
        }

        var manifest = new JsonObject
        {
            ["name"] = name,
            ["version"] = $"{version}",
            ["kind"] = "embedding",
            ["description"] = $"{baseModel.Id} with a correction of its picture vectors, fitted on pairs of this collection.",
            [BaseField] = baseModel.Id,
            ["files"] = files,
            ["dimensions"] = correction.Dimensions,
        };
        foreach (var field in KeptFields.Where(baseModel.Extra.ContainsKey))
        {
            manifest[field] = JsonSerializer.SerializeToNode(baseModel.Extra[field]);
        }

        manifest["tuning"] = tuning;
        manifest["mean"] = new JsonArray([.. mean.Select(v => (JsonNode)MathF.Round(v, 6))]);
        File.WriteAllText(Path.Combine(part, "manifest.json"), manifest.ToJsonString(Indented));
        Directory.Move(part, target);
        return ModelManifest.Load(target);
    }

    /// <summary>Follows <c>base</c> down to the model that has the towers.</summary>
    /// <returns>That model (<paramref name="manifest"/> itself when it has no base), and the corrections to apply, in order.</returns>
    /// <exception cref="ModelException">A base is missing, damaged, of other dimensions, or leads back to itself.</exception>
    internal static (ModelManifest Towers, IReadOnlyList<LinearCorrection> Corrections) Resolve(ModelManifest manifest, string modelsDirectory)
    {
        var dimensions = manifest.Get<int>("dimensions");
        List<LinearCorrection> corrections = [];
        HashSet<string> seen = [manifest.Id];
        var towers = manifest;
        while (towers.GetOrDefault<string>(BaseField) is { } id)
        {
            corrections.Insert(0, LinearCorrection.Read(towers.PathOf(CorrectionRole), dimensions));
            if (!seen.Add(id))
            {
                throw EmbeddingManifest.Bad(manifest, $"base '{id}' leads back to itself");
            }

            try
            {
                towers = ModelManifest.Load(modelsDirectory, id);
                towers.VerifyFiles();
            }
            catch (ModelException e)
            {
                throw new ModelException($"Model {manifest.Id} corrects model {id}, which cannot be opened: {e.Message}", e);
            }

            if (towers.Kind == "embedding" && towers.Get<int>("dimensions") != dimensions)
            {
                throw EmbeddingManifest.Bad(manifest, $"dimensions {dimensions} differs from the {towers.Get<int>("dimensions")} of its base {id}");
            }
        }

        return (towers, corrections);
    }

    private static JsonObject Entry(string path)
    {
        using var stream = File.OpenRead(path);
        return new() { ["path"] = Path.GetFileName(path), ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(stream)), ["bytes"] = stream.Length };
    }
}
