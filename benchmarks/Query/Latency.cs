using System.Diagnostics;
using System.Net.Http.Json;
using System.Numerics.Tensors;
using System.Text.Json;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using ImageSearch.Models;
using ImageSearch.Query;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Benchmarks.Query;

/// <summary>
/// Hybrid text queries over HTTP against a collection of made-up pictures whose vectors lie around those of their captions. Clients and
/// service share this process. Raw times are those of the legs' own database calls, alone.
/// </summary>
internal static class Latency
{
    private const int Clients = 4, Queries = 2_000, Batch = 500;

    private static readonly string[] Subjects = ["dog", "cat", "child", "woman", "man", "horse", "bird", "car", "bicycle", "boat", "train", "bridge", "tower", "flower", "tree", "mountain", "cake", "guitar", "chair", "umbrella"];
    private static readonly string[] Actions = ["running", "sitting", "jumping", "sleeping", "standing", "playing", "waiting", "shining", "resting", "moving"];
    private static readonly string[] Places = ["beach", "street", "field", "snow", "garden", "river", "kitchen", "market", "forest", "stadium", "lake", "roof", "desert", "harbour", "park"];
    private static readonly string[] Colours = ["red", "blue", "green", "yellow", "black", "white", "brown", "orange"];

    public static async Task RunAsync(string models, int size)
    {
        var server = Environment.GetEnvironmentVariable("IMAGESEARCH_TEST_POSTGRES") ?? throw new InvalidOperationException("IMAGESEARCH_TEST_POSTGRES is not set.");
        var name = $"query_benchmark_{size}";
        await using var control = NpgsqlDataSource.Create(server);
        await ExecuteAsync(control, $"CREATE DATABASE {name}");
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
            await FillAsync(connection, models, size);
            await MeasureAsync(connection, models, size);
        }
        finally
        {
            NpgsqlConnection.ClearAllPools();
            await ExecuteAsync(control, $"DROP DATABASE {name} WITH (FORCE)");
        }
    }

    private static string Caption(Random random) =>
        $"a {Colours[random.Next(Colours.Length)]} {Subjects[random.Next(Subjects.Length)]} {Actions[random.Next(Actions.Length)]} near the {Places[random.Next(Places.Length)]}";

    private static async Task FillAsync(string connection, string models, int size)
    {
        await using var db = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { CommandTimeout = 0 }.ConnectionString);
        await Migrator.MigrateAsync(db);
        var settings = new ModelsOptions { Directory = models };
        var manifest = ModelManifest.Load(models, settings.Embedding);
        using var opener = new ModelOpener(Options.Create(settings));
        var catalog = new EmbeddingCatalog(db);
        var registered = await catalog.RegisterModelAsync(manifest.Id, manifest.Get<int>("dimensions"), manifest.GetOrDefault<float[]>("mean"));
        using var model = opener.Open(registered);
        await ExecuteAsync(db, $"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 640, 480, 100000 FROM generate_series(1, {size}) AS i");
        await ExecuteAsync(db, "INSERT INTO objects (bucket, key, image_id, etag, bytes) SELECT 'images', 'picture-' || id || '.jpg', id, '', bytes FROM images");
        await ExecuteAsync(db, $"DROP INDEX {VectorIndex.NameOf(registered.Id, VectorIndexKind.Half)}");
        var lexical = new LexicalIndex(db, new());
        var random = new Random(1);
        var watch = Stopwatch.StartNew();
        foreach (var images in Enumerable.Range(1, size).Chunk(Batch))
        {
            var captions = images.Select(_ => Caption(random)).ToArray();
            await catalog.StoreAsync(registered, [.. images.Zip(captions, (i, c) => ((long)i, Around(model.EncodeText(c), random)))]);
            await using var open = await db.OpenConnectionAsync();
            await using var transaction = await open.BeginTransactionAsync();
            await using var insert = new NpgsqlCommand("""
                INSERT INTO captions (image_id, region, x, y, w, h, captioner, prompt_version, tags, caption)
                SELECT i, 0, 0, 0, 1, 1, 'mllm:benchmark', '1', string_to_array(c, ' '), c FROM unnest($1::bigint[], $2::text[]) AS t (i, c)
                """, open)
            {
                Parameters = { new() { Value = images.Select(i => (long)i).ToArray() }, new() { Value = captions } },
            };
            await insert.ExecuteNonQueryAsync();
            foreach (var (image, caption) in images.Zip(captions))
            {
                await lexical.SetDocumentAsync(open, transaction, image, new(caption.Split(' '), caption, [], $"picture {image}"));
            }

            await transaction.CommitAsync();
        }

        await lexical.RebuildAsync();
        Console.Error.WriteLine($"{size} pictures written in {watch.Elapsed.TotalSeconds:0} s");
        await catalog.RegisterModelAsync(registered.Name, registered.Dimensions, registered.Mean);
        await ExecuteAsync(db, "VACUUM ANALYZE");
        Console.Error.WriteLine($"indexed after {watch.Elapsed.TotalSeconds:0} s");
    }

    private static async Task MeasureAsync(string connection, string models, int size)
    {
        var builder = WebApplication.CreateBuilder();
        foreach (var (key, value) in new[]
        {
            ("Postgres:ConnectionString", connection), ("RabbitMq:Uri", "amqp://unused"), ("ObjectStore:Endpoint", "http://127.0.0.1:9"), ("ObjectStore:AccessKey", "-"),
            ("ObjectStore:SecretKey", "-"), ("Models:Directory", models), ("urls", "http://127.0.0.1:0"), ("Logging:LogLevel:Default", "Warning"),
        })
        {
            builder.Configuration[key] = value;
        }

        builder.AddImageSearch("query");
        builder.Services.AddQuery();
        await using var app = builder.Build();
        app.UseProblems();
        app.MapSearch();
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };

        Console.WriteLine($"| {size} pictures, {Clients} clients | p50 ms | p99 ms |\n|---|---|---|");
        await TimeAsync(200, r => SearchAsync(http, r, "hybrid"));
        Print("hybrid over HTTP", await TimeAsync(Queries, r => SearchAsync(http, r, "hybrid")));
        Print("dense over HTTP", await TimeAsync(Queries / 2, r => SearchAsync(http, r, "dense")));
        Print("lexical over HTTP", await TimeAsync(Queries / 2, r => SearchAsync(http, r, "lexical")));
        var model = await app.Services.GetRequiredService<ActiveModels>().GetAsync(default);
        var vectors = app.Services.GetRequiredService<VectorSearch>();
        var index = app.Services.GetRequiredService<LexicalIndex>();
        var options = app.Services.GetRequiredService<SearchOptions>();
        Print("vector query alone", await TimeAsync(Queries / 2, r => vectors.SearchAsync(model.Registered, model.EncodeText(Words(r)), new(options.Depth, options.EfSearch))));
        Print("word query alone", await TimeAsync(Queries / 2, r => index.SearchAsync(LexicalQuery.Parse(Words(r)), options.Depth)));
        var recall = await RecallAsync(vectors, model, options);
        Console.WriteLine($"\nrecall at {options.Depth} of HNSW against the exact scan: {recall:P1}; memory {Environment.WorkingSet >> 20} MB (clients included)");
        await app.StopAsync();
    }

    private static async Task<double> RecallAsync(VectorSearch vectors, SearchModel model, SearchOptions options)
    {
        var random = new Random(9);
        List<double> recalls = [];
        for (var i = 0; i < 20; i++)
        {
            var query = model.EncodeText(Words(random));
            var exact = await vectors.SearchAsync(model.Registered, query, new(options.Depth, Scan: VectorScan.Exact));
            var found = (await vectors.SearchAsync(model.Registered, query, new(options.Depth, options.EfSearch, VectorScan.Hnsw))).Select(h => h.Image).ToHashSet();
            recalls.Add(exact.Count(h => found.Contains(h.Image)) / (double)exact.Count);
        }

        return recalls.Average();
    }

    // Words as people type them, not a whole caption; the number keeps the text encoder's cache from answering.
    private static string Words(Random random) => $"{Colours[random.Next(Colours.Length)]} {Subjects[random.Next(Subjects.Length)]} {Places[random.Next(Places.Length)]} {random.Next(100_000)}";

    private static async Task SearchAsync(HttpClient http, Random random, string mode)
    {
        using var response = await http.PostAsJsonAsync("/api/search", new { text = Words(random), mode });
        response.EnsureSuccessStatusCode();
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        if (body.GetProperty("partial").GetBoolean() || body.GetProperty("hits").GetArrayLength() == 0)
        {
            throw new InvalidOperationException($"A search was not answered in full: {body.GetProperty("legs")}");
        }
    }

    private static async Task<List<double>> TimeAsync(int count, Func<Random, Task> ask)
    {
        var times = await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            List<double> mine = [];
            for (var i = 0; i < count / Clients; i++)
            {
                var start = Stopwatch.GetTimestamp();
                await ask(random);
                mine.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            return mine;
        })));
        return [.. times.SelectMany(t => t).Order()];
    }

    private static void Print(string what, List<double> times) => Console.WriteLine($"| {what} | {times[times.Count / 2]:0.0} | {times[(int)(times.Count * 0.99)]:0.0} |");

    private static float[] Around(float[] centre, Random random)
    {
        var vector = new float[centre.Length];
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] = centre[i] + (0.06f * (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2));
        }

        TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource db, string sql)
    {
        await using var command = db.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }
}
