using System.Text.Json.Nodes;
using ImageSearch.Inference.Tuning;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

public class TuningFileTests
{
    private static readonly LinearCorrection Turn = new([0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1], [0, 0, 0, 0.5f]);

    [Fact]
    public void Pairs_are_read_with_quotes_line_breaks_and_any_line_ends()
    {
        var pairs = PairFile.Read(new StringReader("\uFEFFImage,Text\r\na/b.jpg, a  dog \n\n\"c,d.jpg\",\"a \"\"big\"\" dog,\r\nasleep\"\r\ne.jpg,a cat"));
        Assert.Equal([new(2, "a/b.jpg", "a dog"), new(4, "c,d.jpg", "a \"big\" dog, asleep"), new(6, "e.jpg", "a cat")], pairs);
        Assert.Equal([new(1, "x", "y")], PairFile.Read(new StringReader("x,y")));
        Assert.Empty(PairFile.Read(new StringReader("")));
    }

    [Fact]
    public void Each_malformed_line_is_named()
    {
        var error = Assert.Throws<InvalidDataException>(() => PairFile.Read(new StringReader("image,text\na.jpg\na.jpg,one,two\n,words\nb.jpg, \nc \"d\",x\n\"e\"f,x\ng,\"open\nh,i")));
        string[] expected =
        [
            "line 2: the comma between", "line 3: 3 fields instead of 2", "line 4: the image is missing", "line 5: the text is missing", "line 6: a double quote inside", "line 7: characters after a closing",
            "line 8: a double quote is not closed",
        ];
        Assert.All(expected, e => Assert.Contains(e, error.Message, StringComparison.Ordinal));
        var many = Assert.Throws<InvalidDataException>(() => PairFile.Read(new StringReader(string.Concat(Enumerable.Repeat("x\n", 25)))));
        Assert.Contains("line 20:", many.Message, StringComparison.Ordinal);
        Assert.EndsWith("and 5 more", many.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tuned_model_gives_its_base_vectors_corrected()
    {
        using var folder = new TempFolder();
        var tuned = Make(folder, out var options);
        using var original = EmbeddingModel.Open(options, "tiny/1");
        using var model = EmbeddingModel.Open(options, tuned.Id);
        Assert.Equal(("tiny-tuned/1", 4, EmbeddingSource.Latents), (model.Id, model.Dimensions, model.Source));
        Assert.Equal([0.5f, 0, 0, 0.25f], model.Mean!);
        Assert.Equal(["correction.bin", "manifest.json"], Directory.GetFiles(tuned.Directory).Select(f => Path.GetFileName(f)).Order());

        var latents = Fixtures.Latents(5, 3, 3, 4, 0, 0, 0.5f);
        var (before, after) = (await original.EmbedLatentsAsync(latents), await model.EmbedLatentsAsync(latents));
        Assert.Equal([0.6f, 0.8f, 0, 0], before.Vector.Select(v => MathF.Round(v, 5)));
        var length = MathF.Sqrt(1.25f);
        Assert.Equal([-0.8f / length, 0.6f / length, 0, 0.5f / length], after.Vector.Select((v, i) => v), (a, b) => MathF.Abs(a - b) < 1e-5f);
        Assert.Equal(before.ClassLogits, after.ClassLogits);
        Assert.Equal(["dog", "animal"], model.Tagger!.Tags(after with { ClassLogits = [5, 0, 0] }).Select(t => t.Name).Order().Reverse());
        Assert.All(await ModelCheck.RunAsync(tuned, options), r => Assert.True(r.Passed, r.Detail));
    }

    [Fact]
    public async Task A_tuned_model_can_be_tuned_again()
    {
        using var folder = new TempFolder();
        var once = Make(folder, out var options);
        var twice = TunedModel.Write(folder.Path, once, TunedModel.DefaultName(once.Name), Turn, [0, 0, 0, 1], []);
        Assert.Equal("tiny-tuned/2", twice.Id);
        using var model = EmbeddingModel.Open(options, twice.Id);
        var vector = (await model.EmbedLatentsAsync(Fixtures.Latents(5, 3, 3, 4))).Vector;
        Assert.Equal(Turn.Apply(Turn.Apply([0.6f, 0.8f, 0, 0])), vector, (a, b) => MathF.Abs(a - b) < 1e-5f);
    }

    [Fact]
    public void Damage_to_a_tuned_model_is_found()
    {
        using var folder = new TempFolder();
        var tuned = Make(folder, out var options);
        var path = tuned.PathOf("correction");
        var bytes = File.ReadAllBytes(path);
        bytes[5] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Contains("its SHA-256 or length differs", Refused(options, tuned.Id), StringComparison.Ordinal);

        bytes[5] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Contains("80 bytes; a correction of 8 dimensions has 288", Assert.Throws<ModelException>(() => LinearCorrection.Read(path, 8)).Message, StringComparison.Ordinal);
        new LinearCorrection([.. Turn.Weights], [0, float.NaN, 0, 0]).Write(path);
        Assert.Contains("not finite", Assert.Throws<ModelException>(() => LinearCorrection.Read(path, 4)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_base_must_be_there_and_fit()
    {
        using var folder = new TempFolder();
        var tuned = Make(folder, out var options);
        Change(tuned, j => j["base"] = tuned.Id);
        Assert.Contains("leads back to itself", Refused(options, tuned.Id), StringComparison.Ordinal);
        Change(tuned, j => j["base"] = "gone/1");
        Assert.Contains("corrects model gone/1, which cannot be opened", Refused(options, tuned.Id), StringComparison.Ordinal);
        Change(tuned, j => (j["base"], j["mean"]) = ("tiny/1", new JsonArray(1, 2)));
        Assert.Contains("mean has 2 values", Refused(options, tuned.Id), StringComparison.Ordinal);
        File.Delete(Path.Combine(folder.Path, "tiny", "1", "adapter.onnx"));
        Assert.Contains("tiny/1, which cannot be opened", Refused(options, tuned.Id), StringComparison.Ordinal);
    }

    private static string Refused(ModelsOptions options, string id) => Assert.Throws<ModelException>(() => EmbeddingModel.Open(options, id)).Message;

    private static void Change(ModelManifest manifest, Action<JsonObject> change)
    {
        var path = Path.Combine(manifest.Directory, "manifest.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    /// <summary>A models folder with tiny/1 and, on top of it, tiny-tuned/1.</summary>
    private static ModelManifest Make(TempFolder folder, out ModelsOptions options)
    {
        using var made = new TempFolder();
        var manifest = Fixtures.Adapter(made);
        var target = Path.Combine(folder.Path, "tiny", "1");
        Directory.CreateDirectory(target);
        foreach (var file in Directory.GetFiles(manifest.Directory))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }

        options = new() { Directory = folder.Path, Embedding = "tiny/1", Threads = 1 };
        return TunedModel.Write(folder.Path, ModelManifest.Load(folder.Path, "tiny/1"), TunedModel.DefaultName("tiny"), Turn, [0.5f, 0, 0, 0.25f], new() { ["heldOutPairs"] = 12 });
    }
}
