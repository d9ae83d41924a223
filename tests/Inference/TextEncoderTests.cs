using System.Numerics.Tensors;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

public sealed class TextEncoderTests : IDisposable
{
    private readonly EmbeddingModel shipped = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Shipped), Fixtures.Options);
    private readonly EmbeddingModel clip = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Clip), Fixtures.Options);

    [Fact]
    public void Shipped_text_tower_gives_its_recorded_vectors()
    {
        foreach (var c in Fixtures.Json<TextCase[]>(Path.Combine(Fixtures.Shipped, "text_cases.json")))
        {
            Assert.InRange(TensorPrimitives.CosineSimilarity<float>(c.Vector, shipped.Text.Encode(c.Text)), 0.9999f, 1.0001f);
        }
    }

    [Fact]
    public void Clip_text_tower_gives_what_pytorch_gives()
    {
        foreach (var c in Fixtures.Json<TextCase[]>(Path.Combine(Fixtures.Clip, "cases.json")))
        {
            Assert.InRange(TensorPrimitives.Distance<float>(c.Vector, clip.Text.Encode(c.Text)), 0, 1e-4f);
        }
    }

    [Fact]
    public void A_batch_gives_what_single_texts_give()
    {
        using var fresh = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Shipped), Fixtures.Options);
        string[] texts = [.. Enumerable.Range(0, 100).Select(i => string.Join(' ', Enumerable.Repeat("a red car", i % 7)) + " " + i)];
        var batch = fresh.Text.Encode(texts);
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.InRange(TensorPrimitives.Distance<float>(batch[i], shipped.Text.Encode(texts[i])), 0, 1e-3f);
            Assert.Equal(1, TensorPrimitives.Norm<float>(batch[i]), 1e-4f);
        }
    }

    [Fact]
    public void Related_texts_lie_closer_than_unrelated_ones()
    {
        float Cosine(string a, string b) => TensorPrimitives.Dot<float>(shipped.Text.Encode(a), shipped.Text.Encode(b));
        Assert.True(Cosine("dog", "a photo of a dog") > 0.8);
        Assert.True(Cosine("dog", "puppy") > Cosine("dog", "kitchen sink") + 0.2);
    }

    [Fact]
    public void Short_queries_average_the_prompts_and_sentences_do_not()
    {
        var plain = shipped.Text.Encode("dog");
        var photo = shipped.Text.Encode("a photo of a dog");
        var mean = new float[plain.Length];
        TensorPrimitives.Add<float>(plain, photo, mean);
        TensorPrimitives.Divide<float>(mean, TensorPrimitives.Norm<float>(mean), mean);
        Assert.InRange(TensorPrimitives.Distance<float>(mean, shipped.Text.EncodeQuery(" dog ")), 0, 1e-5f);

        const string sentence = "two dogs are running on the grass";
        Assert.Equal(shipped.Text.Encode(sentence), shipped.Text.EncodeQuery(sentence));
    }

    [Fact]
    public void Many_threads_get_the_right_vectors()
    {
        string[] texts = [.. Enumerable.Range(0, 50).Select(i => $"picture number {i}")];
        var expected = texts.Select(t => clip.Text.Encode(t)).ToArray();
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            Assert.InRange(TensorPrimitives.Distance<float>(expected[i % 50], clip.Text.Encode(texts[i % 50])), 0, 1e-5f);
        });
    }

    [Fact]
    public void Sentencepiece_is_refused_with_a_way_out()
    {
        using var folder = new TempFolder();
        using var model = EmbeddingModel.Open(Fixtures.ChangedClip(folder, j => j["text"]!["tokenizer"]!["kind"] = "sentencepiece"), Fixtures.Options);
        var e = Assert.Throws<ModelException>(() => model.Text);
        Assert.Contains("sentencepiece", e.Message, StringComparison.Ordinal);
        Assert.Contains("docs/models.md", e.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        shipped.Dispose();
        clip.Dispose();
    }
}
