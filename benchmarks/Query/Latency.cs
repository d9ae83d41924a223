using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Benchmarks.Query;

/// <summary>
/// Hybrid text queries over HTTP against a made-up collection, by four clients and by one. Raw times are those of the legs' own database
/// calls alone, from the clients' process: no HTTP, no text encoding, no fusion.
/// </summary>
internal static class Latency
{
    private static readonly int[] Clients = [4, 1];

    public static async Task RunAsync(string models, int size, int queries, bool keep)
    {
        var server = Server();
        await using var control = NpgsqlDataSource.Create(server);
        try
        {
            await MeasureAsync(await CaptionedCollection.OpenAsync(control, server, models, size), models, size, queries);
        }
        finally
        {
            if (!keep)
            {
                await CaptionedCollection.DropAsync(control, size);
            }
        }
    }

    public static string Server() => Environment.GetEnvironmentVariable("IMAGESEARCH_TEST_POSTGRES") ?? throw new InvalidOperationException("IMAGESEARCH_TEST_POSTGRES is not set.");

    public static IEnumerable<(string Name, string Value)> Settings(string connection, string models) =>
    [
        ("Postgres:ConnectionString", connection), ("RabbitMq:Uri", "amqp://unused"), ("ObjectStore:Endpoint", "http://127.0.0.1:9"),
        ("ObjectStore:AccessKey", "-"), ("ObjectStore:SecretKey", "-"), ("Models:Directory", Path.GetFullPath(models)),
    ];

    /// <summary>Milliseconds of <paramref name="count"/> calls spread over the clients, ascending.</summary>
    public static async Task<List<double>> TimeAsync(int clients, int count, Func<Random, Task> ask)
    {
        var times = await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            var random = new Random((count * 10) + client);
            List<double> mine = [];
            for (var i = 0; i < count / clients; i++)
            {
                var start = Stopwatch.GetTimestamp();
                await ask(random);
                mine.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            return mine;
        })));
        return [.. times.SelectMany(t => t).Order()];
    }

    private static async Task MeasureAsync(string connection, string models, int size, int queries)
    {
        var settings = new ModelsOptions { Directory = models };
        await using var db = ServiceDefaults.OpenDatabase(new PostgresOptions { ConnectionString = connection }, "benchmark");
        var registered = (await new EmbeddingCatalog(db).ModelsAsync())[0];
        using var opener = new ModelOpener(Options.Create(settings));
        using var model = opener.Open(registered);
        var options = new SearchOptions();
        var vectors = new VectorSearch(db);
        var encoded = Enumerable.Range(0, 500).Select(i => model.EncodeText(CaptionedCollection.Words(new Random(i)))).ToArray();
        var parts = new SearchParts(db, model, encoded);

        await using var service = await ServiceProcess.StartAsync(Settings(connection, models));
        await TimeAsync(4, 1000, r => SearchAsync(service.Http, r, "hybrid"));
        Console.WriteLine($"| {size} pictures, {queries} queries | clients | p50 ms | p99 ms | service's processor ms each |\n|---|---|---|---|---|");
        foreach (var clients in Clients)
        {
            var count = queries / (clients == 1 ? 2 : 1);
            var hybrid = await ServedAsync("hybrid");
            await ServedAsync("dense");
            await ServedAsync("lexical");
            List<List<double>> alone = [];
            foreach (var (name, run) in parts.All)
            {
                await TimeAsync(clients, 200, run);
                alone.Add(await TimeAsync(clients, count / 2, run));
                Print(name, clients, alone[^1], null);
            }

            Console.WriteLine($"| hybrid / slower query alone | {clients} | {Ratio(0.5):0.00} | {Ratio(0.99):0.00} | |");
            Console.WriteLine($"| hybrid / every database call | {clients} | {At(hybrid, 0.5) / At(alone[3], 0.5):0.00} | {At(hybrid, 0.99) / At(alone[3], 0.99):0.00} | |");

            double Ratio(double q) => At(hybrid, q) / Math.Max(At(alone[0], q), At(alone[1], q));
            async Task<List<double>> ServedAsync(string mode)
            {
                var before = service.ProcessorTime();
                var times = await TimeAsync(clients, mode == "hybrid" ? count : count / 2, r => SearchAsync(service.Http, r, mode));
                Print($"{mode} over HTTP", clients, times, (service.ProcessorTime() - before) / times.Count);
                return times;
            }
        }

        var (now, peak) = service.Memory();
        Console.WriteLine($"\nMemory of the service: {now:0} MB, at most {peak:0} MB. Recall at {options.Depth} of HNSW against the exact scan: {await RecallAsync(vectors, registered, encoded, options):P1}.");
    }

    private static async Task<double> RecallAsync(VectorSearch vectors, RegisteredModel model, float[][] queries, SearchOptions options)
    {
        List<double> recalls = [];
        foreach (var query in queries.Take(20))
        {
            var exact = await vectors.SearchAsync(model, query, new(options.Depth, Scan: VectorScan.Exact));
            var found = (await vectors.SearchAsync(model, query, new(options.Depth, options.EfSearch, VectorScan.Hnsw))).Select(h => h.Image).ToHashSet();
            recalls.Add(exact.Count(h => found.Contains(h.Image)) / (double)exact.Count);
        }

        return recalls.Average();
    }

    private static async Task SearchAsync(HttpClient http, Random random, string mode)
    {
        using var response = await http.PostAsJsonAsync("/api/search", new { text = CaptionedCollection.Words(random), mode });
        response.EnsureSuccessStatusCode();
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        if (body.GetProperty("partial").GetBoolean() || body.GetProperty("hits").GetArrayLength() == 0)
        {
            throw new InvalidOperationException($"A search was not answered in full: {body.GetProperty("legs")}");
        }
    }

    private static double At(List<double> times, double quantile) => times[(int)(quantile * (times.Count - 1))];

    private static void Print(string what, int clients, List<double> times, TimeSpan? processor) =>
        Console.WriteLine($"| {what} | {clients} | {At(times, 0.5):0.0} | {At(times, 0.99):0.0} | {processor?.TotalMilliseconds:0.0} |");
}
