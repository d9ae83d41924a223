using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

/// <summary>Where models for tests lie, and manifests made on the spot.</summary>
internal static class Fixtures
{
    public static readonly ModelsOptions Options = new() { Threads = 1 };

    public static string Clip => Path.Combine(AppContext.BaseDirectory, "fixtures", "clip");

    /// <summary>The shipped model, found from the solution upwards.</summary>
    public static string Shipped
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder!.FullName, "ImageSearch.sln")))
            {
                folder = folder.Parent;
            }

            return Path.Combine(folder.FullName, "models", "lic-adapter", "1");
        }
    }

    public static T Json<T>(string path) => JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), new JsonSerializerOptions(JsonSerializerDefaults.Web))!;

    /// <summary>A copy of the CLIP fixture whose manifest has been changed.</summary>
    public static ModelManifest ChangedClip(TempFolder folder, Action<JsonObject> change)
    {
        foreach (var file in Directory.GetFiles(Clip))
        {
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        }

        var path = Path.Combine(folder.Path, "manifest.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
        return ModelManifest.Load(folder.Path);
    }

    /// <summary>The tiny adapter: embedding = means of channels 0..3, class logits = 10 x means of channels 4..6; latents of 1000 and more make it fail.</summary>
    public static ModelManifest Adapter(TempFolder folder, int maxBatch = 4, int delay = 20, string? adapterFile = null)
    {
        var onnx = Path.Combine(folder.Path, "adapter.onnx");
        File.Copy(adapterFile ?? Path.Combine(AppContext.BaseDirectory, "fixtures", "adapter", "adapter.onnx"), onnx);
        var tags = Path.Combine(folder.Path, "tags.json");
        File.WriteAllText(tags, """
            {"tags":[{"name":"dog","classes":[0],"threshold":0.3},{"name":"animal","classes":[0,1],"threshold":0.5},{"name":"car","classes":[2],"threshold":0.3}]}
            """);
        var manifest = new JsonObject
        {
            ["name"] = "tiny",
            ["version"] = "1",
            ["kind"] = "embedding",
            ["files"] = new JsonObject { ["adapter"] = Entry(onnx), ["tags"] = Entry(tags) },
            ["dimensions"] = 4,
            ["source"] = "latents",
            ["mean"] = new JsonArray(0.1f, 0.2f, 0.3f, 0.4f),
            ["latents"] = new JsonObject { ["channels"] = 8, ["space"] = "tiny-codec/1", ["classLogits"] = "class_logits" },
            ["batch"] = new JsonObject { ["max"] = maxBatch, ["delayMilliseconds"] = delay },
        };
        File.WriteAllText(Path.Combine(folder.Path, "manifest.json"), manifest.ToJsonString());
        return ModelManifest.Load(folder.Path);
    }

    /// <summary>Latents whose channel means are the given ones (the rest 0).</summary>
    public static LatentInput Latents(int width, int height, params float[] means)
    {
        var values = new float[8 * width * height];
        for (var c = 0; c < means.Length; c++)
        {
            values.AsSpan(c * width * height, width * height).Fill(means[c]);
        }

        return new LatentInput(8, height, width, values);
    }

    private static JsonObject Entry(string path) => new()
    {
        ["path"] = Path.GetFileName(path),
        ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))),
        ["bytes"] = new FileInfo(path).Length,
    };
}

internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("imagesearch-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

internal sealed record TextCase(string Text, int[] Ids, float[] Vector);

internal sealed record PictureCase(int Width, int Height, string Rgb, float[] Pixels, float[] Vector);
