using System.Net;
using System.Net.Sockets;
using ImageSearch.Catalog;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>Ingest as a process of its own: whatever keeps it from working, it says what and how to mend it.</summary>
public sealed class StartUpTests : IAsyncLifetime
{
    private readonly TestBuckets buckets = TestServers.Buckets();
    private Dictionary<string, string> settings = [];
    private TestDatabase database = null!;
    private TestVirtualHost broker = null!;

    public async Task InitializeAsync()
    {
        (database, broker) = (await TestServers.DatabaseAsync(), await TestServers.VirtualHostAsync());
        await using (var db = NpgsqlDataSource.Create(database.ConnectionString))
        {
            await Migrator.MigrateAsync(db);
        }

        settings = await IngestProcess.SettingsAsync(database, broker, buckets);
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        await broker.DisposeAsync();
        await buckets.DisposeAsync();
    }

    [Theory]
    [InlineData("Postgres__ConnectionString", "", "ConnectionString")]
    [InlineData("RabbitMq__Uri", "http://not-a-broker", "Uri")]
    [InlineData("ObjectStore__Endpoint", "somewhere", "Endpoint")]
    [InlineData("Ingest__MaxBytes", "5", "MaxBytes")]
    [InlineData("Ingest__TemporaryFolder", "/no/such/folder", "Ingest:TemporaryFolder")]
    [InlineData("Security__RequireKeys", "perhaps", "RequireKeys")]
    public async Task A_wrong_setting_ends_the_start_and_is_named(string name, string value, string named)
    {
        settings[name] = value;
        var (code, error) = await RunToEndAsync();
        Assert.Equal(2, code);
        Assert.StartsWith("Wrong settings:", error);
        Assert.Contains(named, error);
        Assert.DoesNotContain("   at ", error);
        Assert.DoesNotContain(settings["ObjectStore__SecretKey"], error);
    }

    [Fact]
    public async Task An_occupied_port_is_named_with_the_way_out()
    {
        using var occupant = new TcpListener(IPAddress.Loopback, 0);
        occupant.Start();
        var port = ((IPEndPoint)occupant.LocalEndpoint).Port;
        settings["Urls"] = $"http://127.0.0.1:{port}";
        var (code, error) = await RunToEndAsync();
        Assert.Equal(2, code);
        Assert.Contains($"{port}", error);
        Assert.Contains("address already in use", error);
        Assert.Contains("Urls", error);
    }

    [Fact]
    public async Task Beyond_loopback_without_a_key_it_does_not_start_and_says_how_to_make_one()
    {
        settings["Urls"] = $"http://0.0.0.0:{TestServers.FreePort()}";
        var (code, error) = await RunToEndAsync();
        Assert.Equal(2, code);
        Assert.Contains("imagesearch keys create", error);
        Assert.Contains("upload", error);
    }

    [Fact]
    public async Task A_missing_database_is_told_by_health_while_the_process_lives()
    {
        settings["Postgres__ConnectionString"] = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Port = TestServers.FreePort() }.ConnectionString;
        await Assert_ready_says("PostgreSQL does not answer", "Postgres:ConnectionString");
    }

    [Fact]
    public async Task A_database_without_tables_is_told_with_the_command_that_makes_them()
    {
        await using var empty = await TestServers.DatabaseAsync();
        settings["Postgres__ConnectionString"] = empty.ConnectionString;
        await Assert_ready_says("imagesearch provision");
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_told_while_the_service_works_on()
    {
        await using (var db = NpgsqlDataSource.Create(database.ConnectionString))
        await using (var command = db.CreateCommand("INSERT INTO schema_migrations (name) VALUES ('999_future.sql')"))
        {
            await command.ExecuteNonQueryAsync();
        }

        await using var process = new IngestProcess(settings);
        await process.ReadyAsync();
        Assert.Contains("made by a newer build (migration 999_future.sql)", await process.Http.GetStringAsync("/health/ready"));
    }

    [Fact]
    public async Task A_missing_object_store_is_told()
    {
        settings["ObjectStore__Endpoint"] = $"http://127.0.0.1:{TestServers.FreePort()}";
        await Assert_ready_says("The object store does not answer", "ObjectStore:Endpoint");
    }

    [Fact]
    public async Task A_missing_broker_is_told()
    {
        settings["RabbitMq__Uri"] = new UriBuilder(broker.Uri) { Port = TestServers.FreePort() }.Uri.ToString();
        await Assert_ready_says("masstransit");
    }

    private async Task Assert_ready_says(params string[] words)
    {
        await using var process = new IngestProcess(settings);
        var (alive, said) = (false, "");
        for (var tries = 0; tries < 300 && !process.HasExited && !(alive && words.All(w => said.Contains(w, StringComparison.Ordinal))); tries++)
        {
            await Task.Delay(200);
            try
            {
                using var live = await process.Http.GetAsync("/health/live");
                alive = live.StatusCode == HttpStatusCode.OK;
                using var ready = await process.Http.GetAsync("/health/ready");
                said = ready.StatusCode == HttpStatusCode.ServiceUnavailable ? await ready.Content.ReadAsStringAsync() : "";
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
        }

        Assert.True(alive && !process.HasExited, process.HasExited ? await process.Error : "never alive");
        Assert.All(words, w => Assert.Contains(w, said));
    }

    private async Task<(int Code, string Error)> RunToEndAsync()
    {
        await using var process = new IngestProcess(settings);
        return (await process.EndAsync(), await process.Error);
    }
}
