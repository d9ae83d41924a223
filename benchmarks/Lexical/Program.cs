using System.Diagnostics;
using System.Globalization;
using ImageSearch.Benchmarks.Lexical;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using Npgsql;

// Usage: IMAGESEARCH_TEST_POSTGRES=... dotnet run -c Release --project benchmarks/Lexical -- 10000 100000 [1000000]
// Each size is measured in a database of its own, which is dropped afterwards. Prints a Markdown table.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var server = Environment.GetEnvironmentVariable("IMAGESEARCH_TEST_POSTGRES") ?? throw new InvalidOperationException("IMAGESEARCH_TEST_POSTGRES is not set.");
var sizes = args.Length > 0 ? args.Select(int.Parse).ToArray() : [10_000, 100_000];
const int Writers = 4, IndexedAtMost = 30_000, WholeAtMost = 200_000, Vocabulary = 60_000;
var captions = new Captions(Vocabulary);

Console.WriteLine("| documents | three words p50 ms | p99 ms | processor ms (client + server) | +must p50 ms | p99 ms | phrase p50 ms | postings B/doc | tail's work space MB | texts B/doc | indexing docs/s, four writers | processor ms/doc | p50 ms while indexing |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
foreach (var size in sizes)
{
    var name = $"lexical_benchmark_{size}";
    await using var control = NpgsqlDataSource.Create(server);
    await using (var create = control.CreateCommand($"CREATE DATABASE {name}"))
    {
        await create.ExecuteNonQueryAsync();
    }

    try
    {
        await using var db = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(server) { Database = name, CommandTimeout = 0 }.ConnectionString);
        await Migrator.MigrateAsync(db);
        await ExecuteAsync(db, $"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 1, 1, 1 FROM generate_series(1, {size}) AS i");
        var index = new LexicalIndex(db, new());

        // The last documents are written one transaction each, as the captioner does; those before are filled in and built in bulk.
        var whole = size <= WholeAtMost;
        var indexed = Math.Min(size, whole ? IndexedAtMost : IndexedAtMost / 3);
        await index.SearchAsync(LexicalQuery.Parse("warm"), 1);
        if (!whole)
        {
            await Bulk.FillPostingsAsync(db, captions, size - indexed);
        }
        else if (size > indexed)
        {
            await Bulk.FillAsync(db, captions, size - indexed, index.Options);
            await index.RebuildAsync();
        }

        var processor = await ProcessorTime.OfAsync(db);
        var start = processor.Now();
        var (rate, during) = await IndexAsync(db, index, size - indexed + 1, size);
        var perDocument = Since(start, processor, indexed);
        await ExecuteAsync(db, "VACUUM (ANALYZE) lexical_terms");
        await ExecuteAsync(db, "VACUUM (ANALYZE) lexical_blocks");
        await TimesAsync(index, 200, r => captions.Query(r));
        start = processor.Now();
        var words = await TimesAsync(index, 1000, r => captions.Query(r));
        var perQuery = Since(start, processor, words.Count);
        var must = await TimesAsync(index, 300, r => "+" + captions.Query(r));
        var phrase = !whole ? [] : await TimesAsync(index, 100, r => $"\"{string.Join(' ', captions.Query(r).Split(' ').Take(2))}\"");
        var postings = await SizeAsync(db, "lexical_terms", "lexical_blocks") / (double)size;
        var tail = await SizeAsync(db, "lexical_tail", "lexical_pending") / 1e6;
        var texts = await SizeAsync(db, "lexical_documents") / (double)(whole ? size : indexed);
        Console.WriteLine($"| {size:N0} | {At(words, 0.5)} | {At(words, 0.99)} | {perQuery} | {At(must, 0.5)} | {At(must, 0.99)} | {At(phrase, 0.5)} | {postings:F0} | {tail:F0} | {texts:F0} | {rate:F0} | {perDocument} | {At(during, 0.5)} |");
    }
    finally
    {
        await using var drop = control.CreateCommand($"DROP DATABASE {name} WITH (FORCE)");
        await drop.ExecuteNonQueryAsync();
    }
}

async Task<(double Rate, List<double> Times)> IndexAsync(NpgsqlDataSource db, LexicalIndex index, int first, int last)
{
    using var stop = new CancellationTokenSource();
    var merging = index.MergeLoopAsync(e => Console.Error.WriteLine(e), stop.Token);
    List<double> times = [];
    var searching = Task.Run(async () =>
    {
        var random = new Random(77);
        while (!stop.IsCancellationRequested)
        {
            var start = Stopwatch.GetTimestamp();
            await index.SearchAsync(LexicalQuery.Parse(captions.Query(random)), 10);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            await Task.Delay(100);
        }
    });

    var next = first - 1;
    var begin = Stopwatch.GetTimestamp();
    await Task.WhenAll(Enumerable.Range(0, Writers).Select(w => Task.Run(async () =>
    {
        var random = new Random(w);
        await using var connection = await db.OpenConnectionAsync();
        for (int id; (id = Interlocked.Increment(ref next)) <= last;)
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await index.SetDocumentAsync(connection, transaction, id, captions.Document(random));
            await transaction.CommitAsync();
        }
    })));
    while (await index.MergeAsync() > 0 || (await index.StatisticsAsync()).Pending > 0)
    {
    }

    var rate = (last - first + 1) / Stopwatch.GetElapsedTime(begin).TotalSeconds;
    stop.Cancel();
    await Task.WhenAll(merging, searching);
    return (rate, times);
}

static async Task<List<double>> TimesAsync(LexicalIndex index, int count, Func<Random, string> query)
{
    var random = new Random(4711);
    List<double> times = [];
    for (var i = 0; i < count; i++)
    {
        var parsed = LexicalQuery.Parse(query(random));
        var start = Stopwatch.GetTimestamp();
        await index.SearchAsync(parsed, 10);
        times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    return times;
}

static string Since((double Client, double Server) start, ProcessorTime processor, int count)
{
    var now = processor.Now();
    return $"{(now.Client - start.Client) * 1000 / count:F2} + {(now.Server - start.Server) * 1000 / count:F2}";
}

static string At(List<double> times, double share) => times.Count == 0 ? "-" : times.Order().ElementAt((int)(share * (times.Count - 1))).ToString("F1");

static async Task<long> SizeAsync(NpgsqlDataSource db, params string[] tables)
{
    await using var command = db.CreateCommand("SELECT sum(pg_total_relation_size(t::regclass))::bigint FROM unnest($1) AS t");
    command.Parameters.Add(new() { Value = tables });
    return (long)(await command.ExecuteScalarAsync())!;
}

static async Task ExecuteAsync(NpgsqlDataSource db, string sql)
{
    await using var command = db.CreateCommand(sql);
    await command.ExecuteNonQueryAsync();
}
