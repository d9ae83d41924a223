using System.Numerics.Tensors;
using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

public class PictureTowerTests
{
    [Fact]
    public async Task Clip_pixels_and_vectors_are_those_of_pillow_and_pytorch()
    {
        using var model = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Clip), Fixtures.Options);
        var cases = Fixtures.Json<PictureCase[]>(Path.Combine(Fixtures.Clip, "pictures.json"));
        var tower = (ClipImageEncoder)model.Pictures;
        foreach (var c in cases)
        {
            var picture = new Picture(c.Width, c.Height, 3, Convert.FromHexString(c.Rgb));
            var prepared = tower.Prepare(picture);
            Assert.Equal((3, 32, 32), (prepared.Channels, prepared.Height, prepared.Width));

            // One level of a byte is 1 / 255 / std = 0.0146.
            Assert.All(c.Pixels.Index(), p => Assert.InRange(p.Item - prepared.Values[p.Index * 29], -0.0150f, 0.0150f));
            var embedding = await model.EmbedPictureAsync(picture);
            Assert.InRange(TensorPrimitives.CosineSimilarity<float>(c.Vector, embedding.Vector), 0.9999f, 1.0001f);
        }
    }

    [Fact]
    public async Task Any_picture_fits_the_clip_tower()
    {
        using var model = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Clip), Fixtures.Options);
        var shapes = new[] { (1, 1, 3), (3000, 1, 3), (1, 2000, 4), (33, 32, 4), (640, 480, 3) };
        var embeddings = await Task.WhenAll(shapes.Select(s => model.EmbedPictureAsync(new Picture(s.Item1, s.Item2, s.Item3, new byte[s.Item1 * s.Item2 * s.Item3]))));
        Assert.All(embeddings, e => Assert.Equal(1, TensorPrimitives.Norm<float>(e.Vector), 1e-4f));
        Assert.All(embeddings, e => Assert.Null(e.ClassLogits));
    }

    [Fact]
    public async Task Adapter_gives_unit_vectors_and_class_logits_for_any_size()
    {
        using var folder = new TempFolder();
        using var model = EmbeddingModel.Open(Fixtures.Adapter(folder), Fixtures.Options);
        Assert.Equal(("tiny/1", 4, EmbeddingSource.Latents), (model.Id, model.Dimensions, model.Source));
        Assert.Equal([0.1f, 0.2f, 0.3f, 0.4f], model.Mean!);
        var embeddings = await Task.WhenAll(
            model.EmbedLatentsAsync(Fixtures.Latents(5, 3, 3, 4, 0, 0, 0.5f, 0, -0.5f)),
            model.EmbedLatentsAsync(Fixtures.Latents(9, 2, 0, 0, 0, 2)),
            model.EmbedLatentsAsync(Fixtures.Latents(5, 3, 0, -1)));
        Assert.Equal([0.6f, 0.8f, 0, 0], embeddings[0].Vector.Select(v => MathF.Round(v, 5)));
        Assert.Equal([5f, 0, -5f], embeddings[0].ClassLogits!.Select(v => MathF.Round(v, 4)));
        Assert.Equal([0, 0, 0, 1f], embeddings[1].Vector);
        Assert.Equal([0, -1f, 0, 0], embeddings[2].Vector);
    }

    [Fact]
    public async Task Latents_of_another_codec_are_refused()
    {
        using var folder = new TempFolder();
        using var model = EmbeddingModel.Open(Fixtures.Adapter(folder), Fixtures.Options);
        var latents = Fixtures.Latents(5, 3, 3, 4);
        Assert.Equal(0.6f, (await model.EmbedLatentsAsync(latents with { Space = "tiny-codec/1" })).Vector[0], 1e-5f);
        var refused = await Assert.ThrowsAsync<InvalidDataException>(() => model.EmbedLatentsAsync(latents with { Space = "other-codec/1" }));
        Assert.Contains("Model tiny/1 reads latents of tiny-codec/1, these are of other-codec/1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_picture_of_a_batch_fails_alone()
    {
        using var folder = new TempFolder();
        using var model = EmbeddingModel.Open(Fixtures.Adapter(folder, maxBatch: 8, delay: 50), Fixtures.Options);
        var good = Enumerable.Range(1, 4).Select(i => model.EmbedLatentsAsync(Fixtures.Latents(4, 4, i, 1))).ToArray();
        var refused = model.EmbedLatentsAsync(Fixtures.Latents(4, 4, 2000, 1));
        var empty = model.EmbedLatentsAsync(Fixtures.Latents(4, 4, 0));
        var foreign = model.EmbedLatentsAsync(new LatentInput(3, 4, 4, new float[48]));
        foreach (var (task, i) in good.Select((t, i) => (t, i + 1)))
        {
            Assert.Equal(i / MathF.Sqrt((i * i) + 1), (await task).Vector[0], 1e-5f);
        }

        Assert.Contains("adapter of model tiny/1", (await Assert.ThrowsAsync<InvalidDataException>(() => refused)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidDataException>(() => empty);
        Assert.Contains("another codec", (await Assert.ThrowsAsync<InvalidDataException>(() => foreign)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_kind_of_model_says_what_it_wants()
    {
        using var folder = new TempFolder();
        using var adapter = EmbeddingModel.Open(Fixtures.Adapter(folder), Fixtures.Options);
        using var clip = EmbeddingModel.Open(ModelManifest.Load(Fixtures.Clip), Fixtures.Options);
        await Assert.ThrowsAsync<InvalidOperationException>(() => adapter.EmbedPictureAsync(new Picture(1, 1, 3, new byte[3])));
        await Assert.ThrowsAsync<InvalidOperationException>(() => clip.EmbedLatentsAsync(Fixtures.Latents(2, 2, 1)));
        Assert.Throws<ModelException>(() => adapter.Text);
    }

    [Fact]
    public void Tags_come_from_the_class_posterior()
    {
        using var folder = new TempFolder();
        using var model = EmbeddingModel.Open(Fixtures.Adapter(folder), Fixtures.Options);
        var tagger = model.Tagger!;

        // Posteriors 0.4, 0.25 and 0.35.
        float[] logits = [MathF.Log(8), MathF.Log(5), MathF.Log(7)];
        var tags = tagger.Tags(new PictureEmbedding([1], logits));
        Assert.Equal(["dog", "animal", "car"], tags.Select(t => t.Name));
        Assert.Equal([0.4f, 0.65f, 0.35f], tags.Select(t => MathF.Round(t.Score, 5)));
        Assert.Equal("dog, animal", tagger.Caption(tags, 2));
        Assert.Equal(["car"], tagger.Tags([0, 0, 9]).Select(t => t.Name));
        Assert.Throws<ModelException>(() => tagger.Tags([1, 2]));
        Assert.Throws<ModelException>(() => tagger.Tags(new PictureEmbedding([1], null)));
    }
}
