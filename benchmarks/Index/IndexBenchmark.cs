using System.Diagnostics;
using System.Globalization;
using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Benchmarks.Index;

/// <summary>What the vector index finds of the true neighbours, how long it takes, and what it costs, by size of the collection.</summary>
/// <param name="server">Connection string of a login that may create databases.</param>
public sealed class IndexBenchmark(string server, int dimensions, int queries, Action<string> say)
{
    private const int Take = 10;

    private static readonly int[] EfSearch = [40, 80, 120, 200, 400];
    private static readonly int[] Candidates = [40, 100, 200, 400];

    private sealed record Row(int Size, string Scan, int? Ef, double Recall, double[] Milliseconds, double ProcessorMilliseconds)
    {
        public double Median => Percentile(Milliseconds, 0.5);
    }

    private readonly List<Row> rows = [];
    private readonly MarkdownTable built = new("vectors", "table MB", "HNSW build s", "HNSW MB", "binary HNSW build s", "binary HNSW MB");
    private readonly MarkdownTable filtered = new("vectors", "filter passes", "hits of 10 (mean)", "queries with fewer than 10", "recall@10", "p50 ms", "p99 ms");
    private readonly MarkdownTable writing = new("vectors", "inserts/s while searching", "search p50 ms", "search p99 ms");

    /// <returns>Markdown sections, and the plot of recall over latency as SVG.</returns>
    public async Task<(string Markdown, string Plot)> RunAsync(IReadOnlyList<int> sizes, CancellationToken ct)
    {
        foreach (var size in sizes)
        {
            await MeasureAsync(size, ct);
        }

        var table = new MarkdownTable("vectors", "scan", "recall@10", "p50 ms", "p95 ms", "p99 ms", "processor ms");
        foreach (var r in rows)
        {
            table.Add(r.Size, r.Scan, r.Recall, r.Median, Percentile(r.Milliseconds, 0.95), Percentile(r.Milliseconds, 0.99), r.ProcessorMilliseconds);
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Vectors of {dimensions} dimensions in clusters of about 50 (benchmarks/Index/ClusteredVectors.cs), {queries} queries from the same clusters, one after another over one\nclient; the ten nearest are asked for. Recall is against the exact scan of the same half-precision vectors, in percent. HNSW: m 16, ef_construction 128, strict iterative scan,\nthrough the product's own VectorSearch; maintenance_work_mem 512 MB while building. Processor:\nwhat the server process of the connection computed for a query (without parallel workers), which other work on the machine changes little. Binary: sign bits of the mean-centred vector, Hamming HNSW, candidates ranked again by\nthe half-precision vectors (measured here; the product's search does not use it).\n\n");
        text.Append(table).Append("\nBuilding:\n\n").Append(built).Append("\nFiltered (a condition on the picture's width that is independent of the vectors; ef_search 200, the ten nearest that pass):\n\n").Append(filtered)
            .Append("\nInserting one vector a transaction while searching (ef_search 200):\n\n").Append(writing);
        var plot = new LinePlot("Recall over latency", "p50, ms", "recall@10, %",
            [.. rows.Where(r => r.Ef is not null).GroupBy(r => (r.Size, Kind: r.Scan.Split(',')[0])).Select(g => new PlotLine($"{g.Key.Kind} {g.Key.Size:N0}", [.. g.Select(r => (r.Median, r.Recall))]))],
            LogX: true, MaxY: 100).ToSvg();
        return (text.ToString(), plot);
    }

    private async Task MeasureAsync(int size, CancellationToken ct)
    {
        say(string.Create(CultureInfo.InvariantCulture, $"index: {size:N0} vectors"));
        await using var scratch = await ScratchDatabase.CreateAsync(server, ct);
        var vectors = new ClusteredVectors(size, dimensions);
        var model = await scratch.FillAsync(vectors, size, dimensions, ct);
        var tableBytes = await scratch.ScalarAsync<long>("SELECT pg_table_size('embeddings')", ct);
        var search = new VectorSearch(scratch.Db);
        var random = new Random(3);
        float[][] questions = [.. Enumerable.Range(0, queries).Select(_ => vectors.Draw(random))];

        Task<(long[][] Ids, double[] Milliseconds, double Processor)> AskAsync(VectorSearchOptions options, float[][] ask) =>
            TimeAsync(scratch, ask, async q => [.. (await search.SearchAsync(model, q, options, ct: ct)).Select(h => h.Image)], ct);

        say("index: exact scan");
        await AskAsync(new(Take, Scan: VectorScan.Exact), questions[..1]);
        var (truth, exactTimes, exactProcessor) = await AskAsync(new(Take, Scan: VectorScan.Exact), questions);
        rows.Add(new(size, "exact", null, 100, exactTimes, exactProcessor));

        say("index: building HNSW");
        var start = Stopwatch.GetTimestamp();
        await new EmbeddingCatalog(scratch.Db).RegisterModelAsync(model.Name, dimensions, null, ct);
        var build = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (var ef in EfSearch)
        {
            var options = new VectorSearchOptions(Take, ef, VectorScan.Hnsw);
            await AskAsync(options, questions[..Math.Min(10, queries)]);
            var (found, times, processor) = await AskAsync(options, questions);
            rows.Add(new(size, string.Create(CultureInfo.InvariantCulture, $"HNSW, ef_search {ef}"), ef, Recall(found, truth), times, processor));
        }

        foreach (var percent in new[] { 1, 10, 50 })
        {
            var filter = new ImageFilter(MinWidth: ScratchDatabase.Widths - percent + 1);
            var some = questions[..Math.Min(50, queries)];
            var (right, _, _) = await AskAsync(new(Take, Scan: VectorScan.Exact, Filter: filter), some);
            var (found, times, _) = await AskAsync(new(Take, Scan: VectorScan.Hnsw, Filter: filter), some);
            filtered.Add(size, $"{percent} %", found.Average(f => f.Length), found.Count(f => f.Length < Take), Recall(found, right), Percentile(times, 0.5), Percentile(times, 0.99));
        }

        say("index: building binary HNSW");
        var binary = new BinaryIndex(scratch, model);
        start = Stopwatch.GetTimestamp();
        await binary.BuildAsync(ct);
        var binaryBuild = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (var candidates in Candidates)
        {
            var (found, times, processor) = await TimeAsync(scratch, questions, q => binary.SearchAsync(q, Take, candidates, ct), ct);
            rows.Add(new(size, string.Create(CultureInfo.InvariantCulture, $"binary, {candidates} candidates"), candidates, Recall(found, truth), times, processor));
        }

        built.Add(size, tableBytes / 1e6, build, await SizeAsync(EmbeddingCatalog.IndexName(model.Id)) / 1e6, binaryBuild, await SizeAsync(BinaryIndex.Name) / 1e6);
        await scratch.ExecuteAsync("DROP INDEX " + BinaryIndex.Name, ct);
        await WriteWhileSearchingAsync(scratch, model, vectors, size, questions, AskAsync, ct);

        Task<long> SizeAsync(string relation) => scratch.ScalarAsync<long>($"SELECT pg_relation_size('{relation}')", ct);
    }

    private async Task WriteWhileSearchingAsync(
        ScratchDatabase scratch, RegisteredModel model, ClusteredVectors vectors, int size, float[][] questions,
        Func<VectorSearchOptions, float[][], Task<(long[][], double[] Milliseconds, double)>> ask, CancellationToken ct)
    {
        say("index: inserting while searching");
        await scratch.ExecuteAsync($"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 1, 1, 1 FROM generate_series({size + 1}, {size + 20_000}) AS i", ct);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var inserted = 0;
        var start = Stopwatch.GetTimestamp();
        var writer = Task.Run(async () =>
        {
            var catalog = new EmbeddingCatalog(scratch.Db);
            var random = new Random(4);
            while (!stop.IsCancellationRequested && inserted < 20_000)
            {
                await catalog.StoreAsync(model, [(size + inserted + 1, vectors.Draw(random))], ct);
                inserted++;
            }
        }, ct);
        var (_, times, _) = await ask(new(Take, 200, VectorScan.Hnsw), questions);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        stop.Cancel();
        await writer;
        writing.Add(size, inserted / seconds, Percentile(times, 0.5), Percentile(times, 0.99));
    }

    private static async Task<(long[][] Ids, double[] Milliseconds, double Processor)> TimeAsync(ScratchDatabase scratch, float[][] questions, Func<float[], Task<long[]>> ask, CancellationToken ct)
    {
        var ids = new long[questions.Length][];
        var times = new double[questions.Length];

        // One query at a time: the pool hands out the same connection each time.
        var backend = await scratch.ScalarAsync<int>("SELECT pg_backend_pid()", ct);
        var before = Processor(backend);
        for (var i = 0; i < questions.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            ids[i] = await ask(questions[i]);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        return (ids, times, (Processor(backend) - before) / questions.Length);
    }

    /// <summary>Milliseconds that a server process on this machine has computed, from Linux' scheduler; NaN where the server is elsewhere.</summary>
    private static double Processor(int process)
    {
        var folder = $"/proc/{process}";
        return File.Exists(folder + "/schedstat") && File.ReadAllText(folder + "/comm").StartsWith("postgres", StringComparison.Ordinal)
            ? double.Parse(File.ReadAllText(folder + "/schedstat").Split(' ')[0], CultureInfo.InvariantCulture) / 1e6
            : double.NaN;
    }

    private static double Recall(long[][] found, long[][] truth) => 100 * found.Zip(truth, (f, t) => t.Length == 0 ? 1 : (double)f.Intersect(t).Count() / t.Length).Average();

    private static double Percentile(double[] values, double share) => values.Order().ElementAt((int)Math.Ceiling(share * values.Length) - 1);
}
