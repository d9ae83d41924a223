using ImageSearch.Catalog.Vectors;
using ImageSearch.Contracts;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Catalog.Tests;

public class StoredVectorsTests
{
    [Fact]
    public async Task Pictures_are_found_by_id_and_key_and_their_vectors_read()
    {
        await using var database = await TestServers.DatabaseAsync();
        await using var db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
        var embeddings = new EmbeddingCatalog(db);
        var model = await embeddings.RegisterModelAsync("four/1", 4, null);
        List<(long Image, ImageId Id)> images = [];
        for (byte i = 0; i < 6; i++)
        {
            var id = ImageId.Of([i]);
            images.Add(((await new ImageCatalog(db).RegisterAsync("uploads", $"folder/{i}.jpg", "etag", new NewImage(id, "jpeg", 10, 10, 100, null))).Image, id));
        }

        await embeddings.StoreAsync(model, [.. images[..5].Select((p, i) => (p.Image, new float[] { i, 0.5f, -1, 0 }))]);

        var reader = new StoredVectors(db);
        var found = await reader.FindAsync(["folder/1.jpg", images[2].Id.Hex, images[3].Id.Hex.ToUpperInvariant(), "folder/none.jpg", new string('0', 64)]);
        Assert.Equal(
            [("folder/1.jpg", images[1].Image), (images[2].Id.Hex, images[2].Image), (images[3].Id.Hex.ToUpperInvariant(), images[3].Image)],
            found.Select(f => (f.Key, f.Value)).OrderBy(f => f.Value));

        var vectors = await reader.OfAsync(model.Id, [images[1].Image, images[5].Image]);
        Assert.Equal([1, 0.5f, -1, 0], Assert.Single(vectors).Value);

        var sample = await reader.SampleAsync(model.Id, 3);
        Assert.Equal(3, sample.Count);
        Assert.Equal(sample.Keys, (await reader.SampleAsync(model.Id, 3)).Keys);
        Assert.Equal(sample.Keys, (await reader.SampleAsync(model.Id, 9)).Keys.Take(3));
        Assert.Equal(5, (await reader.SampleAsync(model.Id, 9)).Count);
    }
}
