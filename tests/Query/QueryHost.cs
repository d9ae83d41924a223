using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Query.Models;
using ImageSearch.Tests.Servers;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace ImageSearch.Query.Tests;

/// <summary>The query service on a real port, over a database and buckets of its own.</summary>
public class QueryHost : IAsyncLifetime
{
    private TestDatabase database = null!;
    private TestBuckets buckets = null!;
    private WebApplicationFactory<Program> factory = null!;
    private NpgsqlDataSource db = null!;

    public HttpClient Http { get; private set; } = null!;

    public Uri Address => Http.BaseAddress!;

    internal Collection Collection { get; private set; } = null!;

    internal NpgsqlDataSource Database => db;

    internal IServiceProvider Services => factory.Services;

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        buckets = TestServers.Buckets();
        var (uploads, derived) = (await buckets.CreateAsync("images"), await buckets.CreateAsync("derived"));
        db = NpgsqlDataSource.Create(database.ConnectionString);
        Collection = new Collection(db, buckets.Client, uploads, derived);
        await Collection.PrepareAsync();
        factory = new WebApplicationFactory<Program>().WithWebHostBuilder(web =>
        {
            web.UseSetting("Postgres:ConnectionString", database.ConnectionString);
            web.UseSetting("urls", "http://127.0.0.1:0");
            web.UseSetting("RabbitMq:Uri", "amqp://unused");
            web.UseSetting("ObjectStore:Endpoint", buckets.Endpoint);
            web.UseSetting("ObjectStore:AccessKey", buckets.AccessKey);
            web.UseSetting("ObjectStore:SecretKey", buckets.SecretKey);
            web.UseSetting("ObjectStore:Region", "default");
            web.UseSetting("ObjectStore:UploadBucket", uploads);
            web.UseSetting("ObjectStore:DerivedBucket", derived);

            // On a busy machine a leg may well take longer than users would wait; only LegTests are about that.
            web.UseSetting("Search:LegBudgetMilliseconds", "60000");
            Configure(web);
            web.ConfigureTestServices(services =>
            {
                services.AddSingleton<Func<RegisteredModel, SearchModel>>(WordModel.Open);
                services.AddSingleton(new BitstreamDecoder(bytes => ImageFiles.Decode(bytes)));
            });
        });
        factory.UseKestrel(0);
        factory.StartServer();
        Http = factory.CreateClient();
        await SeedAsync();
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await factory.DisposeAsync();
        await db.DisposeAsync();
        await database.DisposeAsync();
        await buckets.DisposeAsync();
    }

    internal virtual void Configure(IWebHostBuilder web)
    {
    }

    internal virtual Task SeedAsync() => Task.CompletedTask;
}

/// <summary>Twelve pictures that all tests of a class share and none changes.</summary>
public sealed class SeededHost : QueryHost
{
    internal override async Task SeedAsync()
    {
        string[] subjects = ["dog", "cat", "car", "boat"];
        foreach (var subject in subjects)
        {
            await Collection.AddAsync($"animals and things/{subject}-1.jpg", subject, [subject], colour: (200, 40, 40), taken: new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero));
            await Collection.AddAsync($"animals and things/{subject}-2.jpg", $"{subject} beach", [subject, "beach"], width: 200, height: 320);
        }

        await Collection.AddAsync("holidays/rex.jpg", "beach people", ["beach", "people"], name: "Rex the dog on holiday");
        await Collection.AddAsync("holidays/night.jpg", "night boat", ["boat", "night"], width: 256, height: 256, caption: "The ferry to Piraeus\nboat, night");
        await Collection.AddAsync("winter/snow.jpg", "snow dog", ["snow", "dog"]);
        await Collection.AddAsync("winter/snow-2.jpg", "snow dog", ["snow", "dog"], width: 640, height: 480);
    }
}
