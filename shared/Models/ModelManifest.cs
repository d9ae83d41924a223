using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace ImageSearch.Models;

/// <summary>A model cannot be used: missing, damaged, or not of the form that its manifest claims. The message says what to do.</summary>
public sealed class ModelException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>One file of a model, relative to the manifest.</summary>
public sealed record ModelFile(string Path, string Sha256, long Bytes);

/// <summary>
/// <c>models/NAME/VERSION/manifest.json</c>: identity, files with hashes, and everything that the code would otherwise hold as
/// magic constants (tensor names, sizes, tables). Fields that only one kind of model has stay in <see cref="Extra"/> and are read with
/// <see cref="Get{T}"/>.
/// </summary>
public sealed class ModelManifest
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { ReadCommentHandling = JsonCommentHandling.Skip };
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Name without version, for instance <c>lic-lot</c>.</summary>
    public required string Name { get; init; }

    public required string Version { get; init; }

    /// <summary><c>codec</c> or <c>embedding</c>.</summary>
    public required string Kind { get; init; }

    public string? Description { get; init; }

    /// <summary>Files by role, for instance <c>g_a</c>, <c>text_encoder</c>.</summary>
    public required Dictionary<string, ModelFile> Files { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement> Extra { get; init; } = [];

    [JsonIgnore]
    public string Directory { get; private set; } = "";

    [JsonIgnore]
    public string Id => $"{Name}/{Version}";

    /// <summary>Reads and checks a manifest; the hashes of the files are checked by <see cref="VerifyFiles"/>.</summary>
    /// <exception cref="ModelException">The folder or the manifest is missing or malformed.</exception>
    public static ModelManifest Load(string directory)
    {
        var file = Path.Combine(directory, "manifest.json");
        if (!File.Exists(file))
        {
            throw new ModelException($"No model in {Path.GetFullPath(directory)}: manifest.json is missing. Check Models:Directory and the model's name; `imagesearch models list` shows what is there.");
        }

        try
        {
            var manifest = JsonSerializer.Deserialize<ModelManifest>(File.ReadAllBytes(file), Json)
                ?? throw new ModelException($"{file} is empty.");
            manifest.Directory = directory;
            return manifest;
        }
        catch (JsonException e)
        {
            throw new ModelException($"{file} is not a valid manifest: {e.Message}", e);
        }
    }

    /// <summary>Loads <c>name/version</c> below <paramref name="modelsDirectory"/>.</summary>
    public static ModelManifest Load(string modelsDirectory, string id)
    {
        var manifest = Load(Path.Combine([modelsDirectory, .. id.Split('/')]));
        return manifest.Id == id ? manifest : throw new ModelException($"The manifest in {manifest.Directory} calls itself {manifest.Id}, not {id}.");
    }

    /// <summary>All models below a folder, by id.</summary>
    public static IReadOnlyList<ModelManifest> LoadAll(string modelsDirectory) =>
        !System.IO.Directory.Exists(modelsDirectory) ? [] :
        [.. System.IO.Directory.EnumerateFiles(modelsDirectory, "manifest.json", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).Select(f => Load(Path.GetDirectoryName(f)!))];

    /// <summary>Full path of the file with this role.</summary>
    public string PathOf(string role) => Files.TryGetValue(role, out var f)
        ? Path.Combine(Directory, f.Path)
        : throw new ModelException($"Model {Id} has no file for '{role}' in its manifest.");

    /// <summary>A field of the manifest that only this kind of model has.</summary>
    public T Get<T>(string field) => Extra.TryGetValue(field, out var e)
        ? e.Deserialize<T>(Json) ?? throw new ModelException($"Field '{field}' of model {Id} is null.")
        : throw new ModelException($"Model {Id} lacks the field '{field}' in its manifest.");

    public T? GetOrDefault<T>(string field) => Extra.TryGetValue(field, out var e) ? e.Deserialize<T>(Json) : default;

    /// <summary>Sets a field in the manifest's file, for what is fitted to a finished model; this object stays as it was read.</summary>
    public void Store(string field, JsonNode value)
    {
        var file = Path.Combine(Directory, "manifest.json");
        var manifest = JsonNode.Parse(File.ReadAllText(file), documentOptions: new() { CommentHandling = JsonCommentHandling.Skip })!.AsObject();
        manifest[field] = value;

        // A service that opens the model meanwhile reads the old file or the new one.
        File.WriteAllText(file + ".new", manifest.ToJsonString(Readable) + "\n");
        File.Move(file + ".new", file, overwrite: true);
    }

    /// <summary>Checks length and SHA-256 of every file.</summary>
    /// <exception cref="ModelException">A file is missing or differs from the manifest.</exception>
    public void VerifyFiles()
    {
        foreach (var (role, f) in Files)
        {
            var path = PathOf(role);
            if (!File.Exists(path))
            {
                throw new ModelException($"Model {Id}: {path} is missing. Restore the file or add the model again.");
            }

            using var stream = File.OpenRead(path);
            if (stream.Length != f.Bytes || !Convert.ToHexStringLower(SHA256.HashData(stream)).Equals(f.Sha256, StringComparison.OrdinalIgnoreCase))
            {
                throw new ModelException($"Model {Id}: {path} is not the file that the manifest names (its SHA-256 or length differs). Restore the file or add the model again.");
            }
        }
    }
}
