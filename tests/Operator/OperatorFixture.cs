using System.Net.Http.Json;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.Configuration;
using Npgsql;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Tests;

/// <summary>The operator service, whole, on a real port, a database, a virtual host and buckets of its own.</summary>
public sealed class OperatorFixture : IAsyncLifetime
{
    private TestDatabase database = null!;
    private TestVirtualHost broker = null!;
    private TestBuckets buckets = null!;
    private WebApplicationFactory<OperatorOptions> factory = null!;
    private IConnection connection = null!;

    public HttpClient Http { get; private set; } = null!;

    public IServiceProvider Services => factory.Services;

    public NpgsqlDataSource Db { get; private set; } = null!;

    public ObjectStore Store { get; private set; } = null!;

    public string Upload { get; private set; } = "";

    public string Derived { get; private set; } = "";

    public string ModelsDirectory { get; } = Directory.CreateTempSubdirectory("imagesearch-models").FullName;

    public IChannel Channel { get; private set; } = null!;

    public string BrokerUri => broker.Uri.ToString();

    public async Task InitializeAsync()
    {
        // The codec that is shipped, beside the models that a test adds.
        File.CreateSymbolicLink(Path.Combine(ModelsDirectory, "lic-lot"), Path.Combine(TestServers.ModelsDirectory, "lic-lot"));
        database = await TestServers.DatabaseAsync();
        broker = await TestServers.VirtualHostAsync();
        buckets = TestServers.Buckets();
        Upload = await buckets.CreateAsync("upload");
        Derived = await buckets.CreateAsync("derived");
        Db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(Db);
        await PipelineTopology.DeclareAsync(BrokerUri);
        connection = await new ConnectionFactory { Uri = broker.Uri }.CreateConnectionAsync();
        Channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        factory = new WebApplicationFactory<OperatorOptions>().WithWebHostBuilder(b => b.UseSetting("urls", "http://127.0.0.1:0").ConfigureAppConfiguration(c => c.AddInMemoryCollection(Settings())));
        factory.UseKestrel(0);
        factory.StartServer();
        Http = factory.CreateClient();
        Http.DefaultRequestHeaders.Add("X-Actor", "tester");
        Store = new ObjectStore(new() { Endpoint = buckets.Endpoint, AccessKey = buckets.AccessKey, SecretKey = buckets.SecretKey, UploadBucket = Upload, DerivedBucket = Derived });
    }

    public async Task DisposeAsync()
    {
        await factory.DisposeAsync();
        await connection.DisposeAsync();
        Store.Dispose();
        await Db.DisposeAsync();
        await database.DisposeAsync();
        await broker.DisposeAsync();
        await buckets.DisposeAsync();
        Directory.Delete(ModelsDirectory, recursive: true);
    }

    /// <summary>Starts another operator on the same servers.</summary>
    public WebApplicationFactory<OperatorOptions> Another() => factory.WithWebHostBuilder(_ => { });

    public async Task PublishAsync(string exchange, byte[] body, Dictionary<string, object?>? headers = null, string? messageId = null, string routingKey = "") =>
        await Channel.BasicPublishAsync(exchange, routingKey, mandatory: true, new BasicProperties { Persistent = true, MessageId = messageId, Headers = headers }, body);

    public async Task<T> GetAsync<T>(string path) => (await Http.GetFromJsonAsync<T>(path))!;

    public async Task<T> PostAsync<T>(string path, object body)
    {
        using var response = await Http.PostAsJsonAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        return (await response.Content.ReadFromJsonAsync<T>())!;
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = Db.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = Db.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Waits until something holds; fails with its last value after a minute.</summary>
    public static async Task<T> EventuallyAsync<T>(Func<Task<T>> read, Func<T, bool> holds)
    {
        for (var tries = 0; ; tries++)
        {
            var value = await read();
            if (holds(value))
            {
                return value;
            }

            Assert.True(tries < 300, $"Still {System.Text.Json.JsonSerializer.Serialize(value)} after a minute.");
            await Task.Delay(200);
        }
    }

    private Dictionary<string, string?> Settings() => new()
    {
        ["Postgres:ConnectionString"] = database.ConnectionString,
        ["RabbitMq:Uri"] = BrokerUri,
        ["ObjectStore:Endpoint"] = buckets.Endpoint,
        ["ObjectStore:AccessKey"] = buckets.AccessKey,
        ["ObjectStore:SecretKey"] = buckets.SecretKey,
        ["ObjectStore:UploadBucket"] = Upload,
        ["ObjectStore:DerivedBucket"] = Derived,
        ["Models:Directory"] = ModelsDirectory,
        ["Operator:RetrySettle"] = "00:00:01",
        ["Operator:AuditEvery"] = "00:00:00",
    };
}
