using System.Diagnostics;
using System.Net.Http.Json;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Models;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Journeys.Tests;

/// <summary>
/// The whole system as users run it: six service processes over a database, a virtual host and buckets of their own. One for all journeys.
/// </summary>
public sealed class RunningSystem : IAsyncLifetime
{
    private static readonly string[] Names = ["ingest", "codec", "embedder", "captioner", "query", "operator"];

    private readonly Dictionary<string, Process> processes = [];
    private readonly Dictionary<string, int> ports = [];
    private readonly Dictionary<string, string> settings = [];
    private TestDatabase database = null!;
    private TestVirtualHost broker = null!;
    private TestBuckets buckets = null!;

    public HttpClient Ingest { get; private set; } = null!;

    public HttpClient Query { get; private set; } = null!;

    public HttpClient Operator { get; private set; } = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    /// <summary>What the database lies on.</summary>
    public PostgresDisk Disk { get; private set; } = null!;

    public ObjectStore Store { get; private set; } = null!;

    public TestGateway Gateway { get; } = TestServers.Gateway();

    public string UploadBucket => Store.Options.UploadBucket;

    public async Task InitializeAsync()
    {
        // Small enough to be filled, and far more than the journeys need.
        Disk = await TestServers.PostgresDiskAsync(megabytes: 100);
        database = await TestServers.DatabaseAsync(Disk);
        broker = await TestServers.VirtualHostAsync();
        buckets = TestServers.Buckets();
        Database = NpgsqlDataSource.Create(database.ConnectionString);
        Store = new(new ObjectStoreOptions
        {
            Endpoint = buckets.Endpoint,
            AccessKey = buckets.AccessKey,
            SecretKey = buckets.SecretKey,
            UploadBucket = buckets.Prefix + "images",
            DerivedBucket = buckets.Prefix + "derived",
        });
        await Migrator.MigrateAsync(Database);
        await PipelineTopology.DeclareAsync(broker.Uri.ToString());
        using var http = new HttpClient();
        await new Provisioning(Store, new RabbitMqOptions { Uri = broker.Uri.ToString() }, http).ProvisionStoreAsync();
        var manifest = ModelManifest.Load(TestServers.ModelsDirectory, ModelsOptions.DefaultEmbedding);
        await new EmbeddingCatalog(Database).RegisterModelAsync(manifest.Id, manifest.Get<int>("dimensions"), manifest.GetOrDefault<float[]>("mean"));

        foreach (var (name, value) in new Dictionary<string, string>
        {
            ["Postgres__ConnectionString"] = database.ConnectionString,
            ["Postgres__MaxConnections"] = "8",
            ["RabbitMq__Uri"] = broker.Uri.ToString(),
            ["RabbitMq__ManagementUri"] = broker.ManagementUri.ToString(),
            ["ObjectStore__Endpoint"] = buckets.Endpoint,
            ["ObjectStore__AccessKey"] = buckets.AccessKey,
            ["ObjectStore__SecretKey"] = buckets.SecretKey,
            ["ObjectStore__UploadBucket"] = UploadBucket,
            ["ObjectStore__DerivedBucket"] = Store.Options.DerivedBucket,
            ["Models__Directory"] = TestServers.ModelsDirectory,
            ["Ingest__ReconcilePeriod"] = "00:00:05",
            ["Operator__AutomaticDelays__0"] = "00:00:05",
            ["Operator__AutomaticDelays__1"] = "00:00:10",
            ["Operator__AutomaticDelays__2"] = "00:00:20",
            ["Operator__AutomaticDelays__3"] = "00:01:00",
            ["DOTNET_gcServer"] = "0",
        })
        {
            settings[name] = value;
        }

        foreach (var name in Names)
        {
            ports[name] = TestServers.FreePort();
            Start(name);
        }

        Ingest = Client("ingest");
        Query = Client("query");
        Operator = Client("operator");
        await Task.WhenAll(Names.Select(ReadyAsync));
    }

    public async Task DisposeAsync()
    {
        foreach (var process in processes.Values)
        {
            process.Kill();
            process.Dispose();
        }

        Ingest?.Dispose();
        Query?.Dispose();
        Operator?.Dispose();
        Store?.Dispose();
        if (Database is not null)
        {
            await Database.DisposeAsync();
        }

        await buckets.DisposeAsync();
        await broker.DisposeAsync();
        await database.DisposeAsync();
        await Disk.DisposeAsync();
    }

    /// <summary>kill -9, as a crash would.</summary>
    public async Task KillAsync(string name)
    {
        var process = processes[name];
        process.Kill();
        await process.WaitForExitAsync();
    }

    public void Start(string name)
    {
        var folder = Path.Combine(Checkout, "services", name);
        var dll = Path.Combine(folder, "bin", Configuration, "net10.0", $"ImageSearch.{char.ToUpperInvariant(name[0])}{name[1..]}.dll");
        Assert.True(File.Exists(dll), $"{dll} is not built; run `./imagesearch test Journeys`.");
        var start = new ProcessStartInfo("dotnet", [dll]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in settings)
        {
            start.Environment[key] = value;
        }

        start.Environment["Urls"] = $"http://127.0.0.1:{ports[name]}";
        var process = Process.Start(start)!;
        var log = TextWriter.Synchronized(new StreamWriter(Path.Combine(Path.GetTempPath(), $"{buckets.Prefix}{name}.log"), append: true) { AutoFlush = true });
        process.OutputDataReceived += (_, e) => log.WriteLine(e.Data);
        process.ErrorDataReceived += (_, e) => log.WriteLine(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        processes[name] = process;
    }

    /// <summary>The command line as an operator calls it.</summary>
    public async Task<(int ExitCode, string Output)> CommandAsync(params string[] arguments)
    {
        var dll = Path.Combine(Checkout, "tools/cli/bin", Configuration, "net10.0/ImageSearch.Cli.dll");
        var start = new ProcessStartInfo("dotnet", [dll, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in settings)
        {
            start.Environment[key] = value;
        }

        start.Environment["IMAGESEARCH_STATE"] = Path.Combine(Path.GetTempPath(), buckets.Prefix + "no-local-stack");
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }

    public async Task ReadyAsync(string name)
    {
        using var http = Client(name);
        var last = "no answer";
        var deadline = Stopwatch.StartNew();
        while (deadline.Elapsed < TimeSpan.FromSeconds(300))
        {
            Assert.False(processes[name].HasExited, $"{name} ended while it started; its log is {Path.GetTempPath()}{buckets.Prefix}{name}.log");
            try
            {
                using var response = await http.GetAsync("/health/ready");
                if (response.IsSuccessStatusCode)
                {
                    return;
                }

                last = await response.Content.ReadAsStringAsync();
            }
            catch (HttpRequestException e)
            {
                last = e.Message;
            }

            await Task.Delay(200);
        }

        Assert.Fail($"{name} is not ready: {last}");
    }

    /// <summary>Waits until a condition holds, with the last thing seen in the failure.</summary>
    public static async Task Eventually<T>(Func<Task<T>> look, Func<T, bool> holds, string what, int seconds = 90)
    {
        var clock = Stopwatch.StartNew();
        T seen;
        do
        {
            seen = await look();
            if (holds(seen))
            {
                return;
            }

            await Task.Delay(150);
        }
        while (clock.Elapsed < TimeSpan.FromSeconds(seconds));
        Assert.Fail($"Not within {seconds} s: {what}. Last seen: {System.Text.Json.JsonSerializer.Serialize(seen)}");
    }

    public Task SearchableAsync(IReadOnlyCollection<Contracts.ImageId> ids, int seconds = 120) =>
        Eventually(() => new ProgressCatalog(Database).CountAsync(ids), p => p.Searchable == ids.Count, $"{ids.Count} pictures searchable", seconds);

    public async Task<List<Hit>> SearchAsync(object request)
    {
        using var response = await Query.PostAsJsonAsync("/api/search", request);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        return (await response.Content.ReadFromJsonAsync<Answer>())!.Hits;
    }

    private HttpClient Client(string name) => new() { BaseAddress = new Uri($"http://127.0.0.1:{ports[name]}"), Timeout = TimeSpan.FromSeconds(60) };

    private static string Checkout
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder.FullName, "ImageSearch.sln")))
            {
                folder = folder.Parent ?? throw new InvalidOperationException("The tests do not lie in a checkout.");
            }

            return folder.FullName;
        }
    }

    private static string Configuration => AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";

    public sealed record Hit(string Id, double Relevance);

    private sealed record Answer(List<Hit> Hits);
}

[CollectionDefinition("system")]
public sealed class SystemCollection : ICollectionFixture<RunningSystem>;
