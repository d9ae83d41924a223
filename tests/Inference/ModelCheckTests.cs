using System.Text.Json.Nodes;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

public class ModelCheckTests
{
    [Fact]
    public async Task Clip_fixture_passes()
    {
        var results = await ModelCheck.RunAsync(ModelManifest.Load(Fixtures.Clip), Fixtures.Options);
        Assert.Equal(["files", "manifest", "text", "pictures"], results.Select(r => r.Name));
        Assert.All(results, r => Assert.True(r.Passed, r.Detail));
    }

    [Fact]
    public async Task Shipped_text_side_passes()
    {
        var results = await ModelCheck.RunAsync(ModelManifest.Load(Fixtures.Shipped), Fixtures.Options);
        Assert.All(results.Where(r => r.Name is "files" or "manifest" or "text"), r => Assert.True(r.Passed, r.Detail));
        Assert.Contains("16 texts", results.Single(r => r.Name == "text").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_changed_byte_is_found()
    {
        using var folder = new TempFolder();
        var manifest = Fixtures.ChangedClip(folder, _ => { });
        var path = manifest.PathOf("image_encoder");
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^100] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        var result = Assert.Single(await ModelCheck.RunAsync(manifest, Fixtures.Options));
        Assert.False(result.Passed);
        Assert.Contains("image.onnx", result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dimensions", "17", "manifest promises float [N, 17]")]
    [InlineData("text.input", "\"tokens\"", "has no input 'tokens'")]
    [InlineData("text.output", "\"pooled\"", "has no output 'pooled'")]
    [InlineData("text.contextLength", "64", "the network takes 77")]
    [InlineData("text.prompts", "[\"photo\"]", "has no {}")]
    [InlineData("text.tokenizer.letters", "\"ascii\"", "token ids")]
    [InlineData("pixels.size", "48", "the network takes 32")]
    [InlineData("pixels.std", "[1,0,1]", "std above 0")]
    [InlineData("pixels.kernel", "\"nearest\"", "neither 'bicubic' nor 'bilinear'")]
    [InlineData("source", "\"sound\"", "neither 'latents' nor 'pixels'")]
    [InlineData("mean", "[1,2]", "mean has 2 values")]
    [InlineData("kind", "\"codec\"", "not 'embedding'")]
    public async Task A_wrong_manifest_is_explained(string field, string value, string message)
    {
        using var folder = new TempFolder();
        var manifest = Fixtures.ChangedClip(folder, json =>
        {
            var path = field.Split('.');
            JsonNode node = json;
            foreach (var step in path[..^1])
            {
                node = node[step]!;
            }

            node[path[^1]] = JsonNode.Parse(value);
        });
        var results = await ModelCheck.RunAsync(manifest, Fixtures.Options);
        Assert.Contains(results, r => !r.Passed && r.Detail.Contains(message, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_stored_with_a_model_is_read_back_and_nothing_else_changes()
    {
        using var folder = new TempFolder();
        var before = Fixtures.ChangedClip(folder, m => m["denseWeight"] = 0.3);
        before.Store("denseWeight", 0.45);
        var after = ModelManifest.Load(folder.Path);
        Assert.Equal(0.45, after.GetOrDefault<double?>("denseWeight"));
        Assert.Equal(before.Files, after.Files);
        Assert.Equal(before.Extra.Keys.Order(), after.Extra.Keys.Order());
        after.VerifyFiles();
        Assert.False(File.Exists(Path.Combine(folder.Path, "manifest.json.new")));
    }
}
