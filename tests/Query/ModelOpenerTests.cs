using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Imaging;
using ImageSearch.Inference;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Tests;

/// <summary>The models of this checkout as the search uses them.</summary>
public sealed class ModelOpenerTests
{
    private static readonly ModelsOptions Settings = new() { Directory = TestServers.ModelsDirectory, Threads = 1 };

    [Fact]
    public async Task A_query_picture_gets_the_vector_that_its_stored_stream_has()
    {
        using var opener = new ModelOpener(Options.Create(Settings));
        using var model = opener.Open(Registered(256));
        using var codec = LicCodec.Open(Settings);
        using var embedding = EmbeddingModel.Open(Settings);
        var picture = Collection.Plain(192, 128, (180, 90, 40), "query");
        var stream = codec.Encode(picture, 8);
        var latents = codec.DecodeLatents(stream);
        var stored = (await embedding.EmbedLatentsAsync(new(latents.Channels, latents.Height, latents.Width, latents.Values, latents.Space))).Vector;
        var query = await model.EncodePicture(picture, default);
        Assert.Equal(1, TensorPrimitives.Norm<float>(query), 3);

        // Not equal: the query's latents are not rounded.
        Assert.InRange(TensorPrimitives.Dot<float>(query, stored), 0.95, 1.001);

        var windows = await model.EncodeWindows(stream, default);
        Assert.Equal((5, 5, 0.5f, 0.5f), (windows.Columns, windows.Rows, windows.Width, windows.Height));
        Assert.Equal(25, windows.Vectors.Count);
        Assert.All(windows.Vectors, v => Assert.Equal(1, TensorPrimitives.Norm<float>(v), 3));
        Assert.Equal((192, 128), (opener.Decode(stream).Width, opener.Decode(stream).Height));
    }

    [Fact]
    public async Task A_large_query_picture_is_decoded_small_and_lands_in_the_same_place()
    {
        using var opener = new ModelOpener(Options.Create(Settings));
        using var model = opener.Open(Registered(256));
        var file = ImageFiles.Encode(Collection.Plain(4032, 3024, (180, 90, 40), "query"), ImageFormat.Jpeg, 90);
        var small = QueryPicture.Decode(file);
        Assert.Equal((1000, 750), (small.Width, small.Height));
        var (query, whole) = (await model.EncodePicture(small, default), await model.EncodePicture(ImageFiles.Decode(file), default));
        Assert.InRange(TensorPrimitives.Dot<float>(query, whole), 0.99, 1.001);

        var middling = QueryPicture.Decode(ImageFiles.Encode(Collection.Plain(1224, 816, (180, 90, 40), "query"), ImageFormat.Jpeg, 90));
        Assert.Equal((1224, 816), (middling.Width, middling.Height));
    }

    [Fact]
    public void Text_and_pictures_share_one_space()
    {
        using var opener = new ModelOpener(Options.Create(Settings));
        using var model = opener.Open(Registered(256));
        Assert.True(TensorPrimitives.Dot<float>(model.EncodeText("a dog"), model.EncodeText("a small dog")) > TensorPrimitives.Dot<float>(model.EncodeText("a dog"), model.EncodeText("a ship")));
    }

    [Fact]
    public void A_model_that_differs_from_the_catalogue_is_refused()
    {
        using var opener = new ModelOpener(Options.Create(Settings));
        Assert.Throws<ModelException>(() => opener.Open(Registered(512)));
    }

    private static RegisteredModel Registered(int dimensions) => new(1, Settings.Embedding, dimensions, null, "active");
}
