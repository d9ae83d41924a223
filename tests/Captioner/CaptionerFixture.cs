using ImageSearch.Captioner.Chat;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace ImageSearch.Captioner.Tests;

/// <summary>A fresh catalogue in real PostgreSQL, real buckets, and the fake chat server; the captioner's parts over them.</summary>
public sealed class CaptionerFixture : IAsyncDisposable
{
    private readonly TestDatabase database;
    private readonly TestBuckets buckets;
    private readonly HttpClient http = new() { Timeout = Timeout.InfiniteTimeSpan };

    private CaptionerFixture(TestDatabase database, TestBuckets buckets, string upload, FakeChatServer server)
    {
        (this.database, this.buckets, Server) = (database, buckets, server);
        Db = NpgsqlDataSource.Create(database.ConnectionString);
        Store = new(new() { Endpoint = buckets.Endpoint, AccessKey = buckets.AccessKey, SecretKey = buckets.SecretKey, UploadBucket = upload, DerivedBucket = upload });
        Lexical = new(Db, new());
        (Images, Bitstreams, Captions) = (new(Db), new(Db), new(Db));
    }

    public NpgsqlDataSource Db { get; }

    public ObjectStore Store { get; }

    public LexicalIndex Lexical { get; }

    public ImageCatalog Images { get; }

    public BitstreamCatalog Bitstreams { get; }

    public CaptionCatalog Captions { get; }

    public FakeChatServer Server { get; }

    public static async Task<CaptionerFixture> CreateAsync()
    {
        var buckets = TestServers.Buckets();
        var fixture = new CaptionerFixture(await TestServers.DatabaseAsync(), buckets, await buckets.CreateAsync("images"), await FakeChatServer.StartAsync());
        await Migrator.MigrateAsync(fixture.Db);
        return fixture;
    }

    /// <summary>Puts a picture under a key of the store and registers it, as ingest does.</summary>
    public async Task<(long Image, ImageId Id)> AddAsync(string key, byte[] content, string? description = null)
    {
        await Store.PutAsync(Store.Options.UploadBucket, key, content, "image/jpeg", description: description);
        return await RegisterAsync(key, content);
    }

    public async Task<(long Image, ImageId Id)> RegisterAsync(string key, byte[] content)
    {
        var id = ImageId.Of(content);
        var (image, _, _) = await Images.RegisterAsync(Store.Options.UploadBucket, key, "etag", new(id, "jpeg", 200, 120, content.Length, null));
        return (image, id);
    }

    public void AddCaptioner(IServiceCollection services, Action<ChatOptions>? change = null, OutagePauseSettings? pause = null, string? baseAddress = null)
    {
        var options = Server.Options(change);
        options.BaseAddress = baseAddress ?? options.BaseAddress;
        services.AddSingleton(Db);
        services.AddSingleton(Store);
        services.AddSingleton(Lexical);
        services.AddSingleton(Images);
        services.AddSingleton(Bitstreams);
        services.AddSingleton(Captions);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<PictureCaptioner>();
        services.AddSingleton<ICaptioner>(new ChatCaptioner(
            new ChatClient(http, options, TimeProvider.System), options, CropGrid.Regions("2x2", 0.2f), "2x2", TimeProvider.System, NullLogger<ChatCaptioner>.Instance));
        services.AddSingleton(p => new OutagePause(
            pause ?? new(TimeSpan.FromMinutes(20), TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(100)), TimeProvider.System, default, NullLogger<OutagePause>.Instance));
        services.AddLogging(l => l.ClearProviders());
    }

    public async Task<long[]> SearchAsync(string query) => [.. (await Lexical.SearchAsync(LexicalQuery.Parse(query), 10)).Select(h => h.ImageId)];

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        http.Dispose();
        Store.Dispose();
        await Db.DisposeAsync();
        await buckets.DisposeAsync();
        await database.DisposeAsync();
    }
}
