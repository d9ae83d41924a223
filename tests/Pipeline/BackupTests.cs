using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Backup;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>What was backed up comes back, byte for byte, in a real database and a real store.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("backup").FullName;
    private readonly TestBuckets buckets = TestServers.Buckets();
    private TestDatabase first = null!;
    private TestDatabase second = null!;
    private NpgsqlDataSource source = null!;
    private NpgsqlDataSource target = null!;

    public async Task InitializeAsync()
    {
        (first, second) = (await TestServers.DatabaseAsync(), await TestServers.DatabaseAsync());
        (source, target) = (NpgsqlDataSource.Create(first.ConnectionString), NpgsqlDataSource.Create(second.ConnectionString));
        await Migrator.MigrateAsync(source);
    }

    public async Task DisposeAsync()
    {
        await source.DisposeAsync();
        await target.DisposeAsync();
        await first.DisposeAsync();
        await second.DisposeAsync();
        await buckets.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_restored_database_is_the_one_that_was_backed_up_and_goes_on()
    {
        var images = new ImageCatalog(source);
        var model = await new EmbeddingCatalog(source).RegisterModelAsync("test/1", 3, [0, 0, 0.5f]);
        for (var i = 0; i < 20; i++)
        {
            var id = ImageId.Of([(byte)i]);
            var (image, _, _) = await images.RegisterAsync("images", $"a/{i} ü.jpg", $"etag{i}", new(id, "jpeg", 10 + i, 20, 1000, DateTimeOffset.UnixEpoch));
            await new BitstreamCatalog(source).StoreAsync(new(image, "lic-lot/1", 4, ObjectKeys.Bitstream(id, "lic-lot/1", 4), 100, new byte[32], ObjectKeys.Thumbnail(id), 5));
            await new EmbeddingCatalog(source).StoreAsync(model, [(image, [i, 1, 2])]);
            await new CaptionCatalog(source).StoreAsync(new(image, "test", "v1", [new(0, 0, 0, 1, 1, ["tag"], $"caption {i}")]), (_, _) => Task.CompletedTask);
        }

        await images.RemoveObjectAsync("images", "a/3 ü.jpg");
        await images.RejectAsync("images", "bad.jpg", "e", "NotAPicture", "no picture");
        var rows = await DatabaseCopy.ExportAsync(source, Path.Combine(folder, "one"), default);
        Assert.True(rows > 80, $"{rows} rows");

        await DatabaseCopy.ImportAsync(target, Path.Combine(folder, "one"), default);
        await DatabaseCopy.ExportAsync(target, Path.Combine(folder, "two"), default);

        var files = Directory.GetFiles(Path.Combine(folder, "one"));
        Assert.All(files, f => Assert.Equal(File.ReadAllBytes(f), File.ReadAllBytes(Path.Combine(folder, "two", Path.GetFileName(f)))));
        var (next, isNew, _) = await new ImageCatalog(target).RegisterAsync("images", "new.jpg", "e", new(ImageId.Of("new"u8), "png", 1, 1, 1, null));
        Assert.True(isNew);
        Assert.True(next > 20, $"the next id is {next}");
    }

    [Fact]
    public async Task A_database_with_pictures_is_not_overwritten()
    {
        await DatabaseCopy.ExportAsync(source, Path.Combine(folder, "empty"), default);
        await new ImageCatalog(source).RegisterAsync("images", "k", "e", new(ImageId.Of("x"u8), "png", 1, 1, 1, null));
        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => DatabaseCopy.ImportAsync(source, Path.Combine(folder, "empty"), default));
        Assert.Contains("empty one", e.Message);
        Assert.Equal(1, (await new ProgressCatalog(source).CountAsync()).Images);
    }

    [Fact]
    public async Task Objects_come_back_with_their_keys_and_descriptions()
    {
        var (from, to) = (await buckets.CreateAsync("from"), buckets.Prefix + "to");
        using var store = new ObjectStore(new() { Endpoint = buckets.Endpoint, AccessKey = buckets.AccessKey, SecretKey = buckets.SecretKey, UploadBucket = from, DerivedBucket = to });
        string[] keys = ["plain.jpg", "with space/ü+%?.jpg", "..", "日本/😀"];
        foreach (var key in keys)
        {
            await store.PutAsync(from, key, System.Text.Encoding.UTF8.GetBytes(key), "image/jpeg", description: $"über {key}");
        }

        Assert.Equal(keys.Length, await BucketCopy.ExportAsync(store, from, Path.Combine(folder, "objects"), _ => { }, default));
        Assert.Equal(keys.Length, await BucketCopy.ImportAsync(store, to, Path.Combine(folder, "objects"), _ => { }, default));
        foreach (var key in keys)
        {
            var (stored, content) = (await store.GetAsync(to, key))!.Value;
            Assert.Equal(key, System.Text.Encoding.UTF8.GetString(content));
            Assert.Equal($"über {key}", stored.Description);
        }
    }
}
