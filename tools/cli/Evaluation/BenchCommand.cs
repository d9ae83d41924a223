using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ImageSearch.Benchmarks.Index;
using ImageSearch.Benchmarks.Pipeline;
using ImageSearch.Catalog;
using ImageSearch.Evaluation.Report;
using ImageSearch.Hosting;

namespace ImageSearch.Cli.Evaluation;

/// <summary><c>imagesearch bench</c>: speed of the vector index and of the running pipeline.</summary>
public static class BenchCommand
{
    private const int DefaultDimensions = 256;
    private const string DefaultSize = "768x512";

    private static readonly string[] Services = ["ingest", "codec", "embedder", "captioner", "query", "operator"];

    /// <param name="Replica">The burst again with a second process of the slowest worker.</param>
    /// <param name="Picture">Pixels of a picture of the pipeline.</param>
    /// <param name="Drain">Minutes that the drain of the backlog is watched at most.</param>
    private sealed record Sizes(int[] Vectors, bool Flat, int Queries, int Single, int Burst, bool Replica, int Backlog, double Drain, (int Width, int Height) Picture);

    public static Command Create()
    {
        var quick = new Option<bool>("--quick") { Description = "Fewer vectors, queries and pictures; no replica and no backlog." };
        var only = new Option<string?>("--only") { Description = "index, pipeline or backlog." };
        only.AcceptOnlyFromAmong("index", "pipeline", "backlog");
        var vectors = new Option<int[]>("--vectors") { Description = "Sizes of the index: 10000 and 100000 by default, with --quick 10000 and 50000. A million takes hours on two cores.", AllowMultipleArgumentsPerToken = true };
        var flat = new Option<bool>("--flat") { Description = "Index vectors without strong directions: the hardest case, unlike any model's." };
        var burst = new Option<int?>("--burst") { Description = "Pictures in the burst: 2000 by default, with --quick 200." };
        var size = new Option<string>("--size") { Description = "Width and height of the burst's pictures.", DefaultValueFactory = _ => DefaultSize };
        size.AcceptOnlyFromAmong(DefaultSize, "2048x1536", "4000x3000");
        var replica = new Option<bool?>("--replica") { Description = "The burst a second time, with two processes of the slowest worker: true by default, with --quick false." };
        var backlog = new Option<int?>("--backlog") { Description = "Pictures that queue while the codec is paused: 20000 by default, with --quick none." };
        var drain = new Option<double>("--drain") { Description = "Minutes that the backlog's drain is watched at most.", DefaultValueFactory = _ => 30 };
        var output = new Option<string>("--out") { Description = "Folder of the reports.", DefaultValueFactory = _ => "benchmarks/results" };
        var command = new Command("bench", "Measure the vector index (in a database of its own) and the running pipeline.") { quick, only, vectors, flat, burst, size, replica, backlog, drain, output };
        command.SetAction((r, ct) =>
        {
            var q = r.GetValue(quick);
            var sizes = r.GetValue(vectors) is { Length: > 0 } given ? given : q ? [10_000, 50_000] : [10_000, 100_000];
            return RunAsync(q, r.GetValue(only), new([.. sizes.Select(s => Math.Clamp(s, 1_000, 10_000_000))], r.GetValue(flat), q ? 100 : 300, q ? 15 : 50, Math.Max(1, r.GetValue(burst) ?? (q ? 200 : 2_000)),
                r.GetValue(replica) ?? !q, Math.Max(0, r.GetValue(backlog) ?? (q ? 0 : 20_000)), r.GetValue(drain), SizeOf(r.GetValue(size)!)), r.GetValue(output)!, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(bool quick, string? only, Sizes sizes, string output, CancellationToken ct)
    {
        string Command(string options) => $"./imagesearch bench{(quick ? " --quick" : "")} --only {options}";
        Directory.CreateDirectory(output);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "bench");
        if (only is null or "index")
        {
            var dimensions = (await new EmbeddingCatalog(db).ModelsAsync(ct)).FirstOrDefault(m => m.State == "active")?.Dimensions ?? DefaultDimensions;
            var benchmark = new IndexBenchmark(CliSettings.Postgres.ConnectionString, dimensions, sizes.Queries, sizes.Flat, Say);
            await WriteAsync(sizes.Flat ? "index-flat" : "index", "Vector index", "--vectors " + string.Join(' ', sizes.Vectors) + (sizes.Flat ? " --flat" : ""), () => benchmark.RunAsync(sizes.Vectors, ct));
        }

        using var store = only == "index" ? null : new ObjectStore(CliSettings.ObjectStore);
        if (only is null or "pipeline")
        {
            var services = Services.ToDictionary(s => s, CliSettings.Service);
            var size = FormattableString.Invariant($"{sizes.Picture.Width}x{sizes.Picture.Height}");
            await WriteAsync(size == DefaultSize ? "pipeline" : "pipeline-" + size, "Pipeline", FormattableString.Invariant($"--burst {sizes.Burst}{(size == DefaultSize ? "" : " --size " + size)} --replica {sizes.Replica}").ToLowerInvariant(),
                () => new PipelineBenchmark(store!, db, services, sizes.Picture, Say).RunAsync(sizes.Single, sizes.Burst, sizes.Replica, ct));
        }

        if (only is null or "backlog" && sizes.Backlog > 0)
        {
            await WriteAsync("backlog", "Backlog", FormattableString.Invariant($"--backlog {sizes.Backlog} --drain {sizes.Drain}"),
                () => new BacklogBenchmark(store!, db, Say).RunAsync(sizes.Backlog, TimeSpan.FromMinutes(sizes.Drain), ct));
        }

        return 0;

        async Task WriteAsync(string name, string title, string options, Func<Task<(string Markdown, string Plot)>> measure)
        {
            var origin = RunOrigin.Now(Command($"{name.Split('-')[0]} {options}"), TimeProvider.System);
            var start = Stopwatch.GetTimestamp();
            var (markdown, plot) = await measure();
            var stem = string.Create(CultureInfo.InvariantCulture, $"{origin.Date:yyyy-MM-dd}-{name}");
            var minutes = string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalMinutes:F1}");
            await File.WriteAllTextAsync(Path.Combine(output, stem + ".svg"), plot, ct);
            await File.WriteAllTextAsync(Path.Combine(output, stem + ".md"), $"# {title}, {origin.Date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}\n\n{origin.ToMarkdown()} Measured in {minutes} minutes.\n\n{markdown}\n![{title}]({stem}.svg)\n", ct);
            Console.WriteLine("written: " + Path.Combine(output, stem + ".md"));
        }
    }

    private static (int Width, int Height) SizeOf(string size)
    {
        var sides = size.Split('x').Select(s => int.Parse(s, CultureInfo.InvariantCulture)).ToArray();
        return (sides[0], sides[1]);
    }

    private static void Say(string line) => Console.Error.WriteLine(line);
}
