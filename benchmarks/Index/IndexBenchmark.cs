using System.Diagnostics;
using System.Globalization;
using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Benchmarks.Index;

/// <summary>What the vector index finds of the true neighbours, how long it takes, and what it costs, by size of the collection.</summary>
/// <param name="server">Connection string of a login that may create databases.</param>
/// <param name="flat">Vectors without strong directions, the hardest there are.</param>
public sealed class IndexBenchmark(string server, int dimensions, int queries, bool flat, Action<string> say)
{
    private const int Take = 10;

    // As the query service asks: Search:Depth.
    private const int Page = 200;

    private static readonly int[] EfSearch = [40, 80, 120, 200, 400];
    private static readonly int[] Candidates = [100, 200, 400, 600, 1000];

    private sealed record Row(int Size, string Scan, int? Ef, double Recall, double[] Milliseconds, double ProcessorMilliseconds)
    {
        public double Median => Percentile.Of(Milliseconds, 0.5);
    }

    private readonly List<Row> rows = [];
    private readonly MarkdownTable built = new("vectors", "table MB", "index", "build s", "MB", "bytes a vector");
    private readonly MarkdownTable filtered = new("vectors", "index", "filter passes", "asked for", "hits, fewest", "recall", "p50 ms", "p99 ms");
    private readonly MarkdownTable writing = new("vectors", "index", "inserts/s while searching", "search p50 ms", "search p99 ms");

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
            table.Add(r.Size, r.Scan, r.Recall, r.Median, Percentile.Of(r.Milliseconds, 0.95), Percentile.Of(r.Milliseconds, 0.99), r.ProcessorMilliseconds);
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            Vectors of {dimensions} dimensions in clusters of about 50 (benchmarks/Index/ClusteredVectors.cs{(flat ? ", flat: no direction is stronger than another, the hardest case" : ", directions as strong as in the default model's space")}), {queries} queries from the same
            clusters, one after another over one client, through the product's own VectorSearch; the ten nearest are asked for. Recall is against the exact scan of the same half-precision vectors,
            in percent. Half: HNSW over halfvec, strict iterative scan. Binary: signs of the vectors less their mean, Hamming HNSW, so many candidates ranked again by the half-precision vectors. Both with
            the parameters of VectorIndex. Processor: what the server process of the connection computed for a query (without parallel workers), which other work on the machine changes little.


            """);
        text.Append(table).Append("\nBuilding, concurrently, with two parallel workers:\n\n").Append(built)
            .Append("\nFiltered (a condition on the picture's width that is independent of the vectors; ef_search 200, candidates as the product chooses them; recall is of as many as were asked for):\n\n").Append(filtered)
            .Append("\nInserting one vector a transaction while searching (ef_search 200; candidates as the product chooses them):\n\n").Append(writing);
        var plot = new LinePlot("Recall over latency", "p50, ms", "recall@10, %",
            [.. rows.Where(r => r.Ef is not null).GroupBy(r => (r.Size, Kind: r.Scan.Split(',')[0])).Select(g => new PlotLine($"{g.Key.Kind} {g.Key.Size:N0}", [.. g.Select(r => (r.Median, r.Recall))]))],
            LogX: true, MaxY: 100).ToSvg();
        return (text.ToString(), plot);
    }

    private async Task MeasureAsync(int size, CancellationToken ct)
    {
        say(string.Create(CultureInfo.InvariantCulture, $"index: {size:N0} vectors"));
        await using var scratch = await ScratchDatabase.CreateAsync(server, ct);
        var vectors = new ClusteredVectors(size, dimensions, flat);
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

        foreach (var kind in new[] { VectorIndexKind.Half, VectorIndexKind.Binary })
        {
            say($"index: building {Of(kind)}");
            var start = Stopwatch.GetTimestamp();
            var index = await new VectorIndexCatalog(scratch.Db).BuildAsync(model, kind, ct: ct);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var bytes = await new VectorIndexCatalog(scratch.Db).BytesAsync(index, ct);
            built.Add(size, tableBytes / 1e6, Of(kind), seconds, bytes / 1e6, (double)bytes / size);
            var scan = kind == VectorIndexKind.Half ? VectorScan.Hnsw : VectorScan.Binary;
            foreach (var width in kind == VectorIndexKind.Half ? EfSearch : Candidates)
            {
                var options = new VectorSearchOptions(Take, width, scan, Candidates: width);
                await AskAsync(options, questions[..Math.Min(10, queries)]);
                var (found, times, processor) = await AskAsync(options, questions);
                rows.Add(new(size, string.Create(CultureInfo.InvariantCulture, $"{Of(kind)}, {(kind == VectorIndexKind.Half ? "ef_search" : "candidates")} {width}"), width, Recall(found, truth), times, processor));
            }

            say("index: filters");
            foreach (var percent in new[] { 1, 10, 50 })
            {
                var filter = new ImageFilter(MinWidth: ScratchDatabase.Widths - percent + 1);
                var some = questions[..Math.Min(30, queries)];
                foreach (var take in new[] { Take, Page })
                {
                    var (right, _, _) = await AskAsync(new(take, Scan: VectorScan.Exact, Filter: filter), some);
                    var (found, times, _) = await AskAsync(new(take, Scan: scan, Filter: filter), some);
                    filtered.Add(size, Of(kind), $"{percent} %", take, found.Min(f => f.Length), Recall(found, right), Percentile.Of(times, 0.5), Percentile.Of(times, 0.99));
                }
            }

            await WriteWhileSearchingAsync(scratch, model, vectors, scan, size, questions, AskAsync, ct);
        }
    }

    private static string Of(VectorIndexKind kind) => kind == VectorIndexKind.Half ? "half" : "binary";

    private async Task WriteWhileSearchingAsync(
        ScratchDatabase scratch, RegisteredModel model, ClusteredVectors vectors, VectorScan scan, int size, float[][] questions,
        Func<VectorSearchOptions, float[][], Task<(long[][], double[] Milliseconds, double)>> ask, CancellationToken ct)
    {
        say("index: inserting while searching");
        var first = 1 + await scratch.ScalarAsync<long>("SELECT max(id) FROM images", ct);
        await scratch.ExecuteAsync($"INSERT INTO images (id, sha256, format, width, height, bytes) OVERRIDING SYSTEM VALUE SELECT i, sha256(convert_to(i::text, 'UTF8')), 'jpeg', 1, 1, 1 FROM generate_series({first}, {first + 19_999}) AS i", ct);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var inserted = 0;
        var start = Stopwatch.GetTimestamp();
        var writer = Task.Run(async () =>
        {
            var catalog = new EmbeddingCatalog(scratch.Db);
            var random = new Random(4);
            while (!stop.IsCancellationRequested && inserted < 20_000)
            {
                await catalog.StoreAsync(model, [(first + inserted, vectors.Draw(random))], ct);
                inserted++;
            }
        }, ct);
        var (_, times, _) = await ask(new(Take, 200, scan), questions);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        stop.Cancel();
        await writer;
        await scratch.ExecuteAsync($"DELETE FROM images WHERE id >= {first}", ct);
        writing.Add(size, scan == VectorScan.Hnsw ? "half" : "binary", inserted / seconds, Percentile.Of(times, 0.5), Percentile.Of(times, 0.99));
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
}
