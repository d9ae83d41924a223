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

    public static Command Create()
    {
        var quick = new Option<bool>("--quick") { Description = "Fewer vectors, queries and pictures." };
        var only = new Option<string?>("--only") { Description = "index or pipeline." };
        only.AcceptOnlyFromAmong("index", "pipeline");
        var vectors = new Option<int[]>("--vectors") { Description = "Sizes of the index: 10000 and 100000 by default, with --quick 10000 and 50000. A million takes hours on two cores.", AllowMultipleArgumentsPerToken = true };
        var flat = new Option<bool>("--flat") { Description = "Index vectors without strong directions: the hardest case, unlike any model's." };
        var burst = new Option<int?>("--burst") { Description = "Pictures in the burst: 2000 by default, with --quick 200." };
        var output = new Option<string>("--out") { Description = "Folder of the reports.", DefaultValueFactory = _ => "benchmarks/results" };
        var command = new Command("bench", "Measure the vector index (in a database of its own) and the running pipeline.") { quick, only, vectors, flat, burst, output };
        command.SetAction((r, ct) =>
        {
            var q = r.GetValue(quick);
            var sizes = r.GetValue(vectors) is { Length: > 0 } given ? given : q ? [10_000, 50_000] : [10_000, 100_000];
            return RunAsync(q, r.GetValue(only), r.GetValue(flat), [.. sizes.Select(s => Math.Clamp(s, 1_000, 10_000_000))], Math.Max(1, r.GetValue(burst) ?? (q ? 200 : 2_000)), r.GetValue(output)!, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(bool quick, string? only, bool flat, int[] sizes, int burst, string output, CancellationToken ct)
    {
        var origin = RunOrigin.Now($"./imagesearch bench{(quick ? " --quick" : "")}{(only is null ? "" : " --only " + only)}{(only == "pipeline" ? "" : " --vectors " + string.Join(' ', sizes) + (flat ? " --flat" : ""))}{(only == "index" ? "" : FormattableString.Invariant($" --burst {burst}"))}", TimeProvider.System);
        Directory.CreateDirectory(output);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "bench");
        if (only != "pipeline")
        {
            var dimensions = (await new EmbeddingCatalog(db).ModelsAsync(ct)).FirstOrDefault(m => m.State == "active")?.Dimensions ?? DefaultDimensions;
            var benchmark = new IndexBenchmark(CliSettings.Postgres.ConnectionString, dimensions, quick ? 100 : 300, flat, Say);
            await WriteAsync(flat ? "index-flat" : "index", "Vector index", () => benchmark.RunAsync(sizes, ct));
        }

        if (only != "index")
        {
            using var store = new ObjectStore(CliSettings.ObjectStore);
            await WriteAsync("pipeline", "Pipeline", () => new PipelineBenchmark(store, db, Say).RunAsync(quick ? 15 : 50, burst, ct));
        }

        return 0;

        async Task WriteAsync(string name, string title, Func<Task<(string Markdown, string Plot)>> measure)
        {
            var start = Stopwatch.GetTimestamp();
            var (markdown, plot) = await measure();
            var stem = string.Create(CultureInfo.InvariantCulture, $"{origin.Date:yyyy-MM-dd}-{name}");
            var minutes = string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalMinutes:F1}");
            await File.WriteAllTextAsync(Path.Combine(output, stem + ".svg"), plot, ct);
            await File.WriteAllTextAsync(Path.Combine(output, stem + ".md"), $"# {title}, {origin.Date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}\n\n{origin.ToMarkdown()} Measured in {minutes} minutes.\n\n{markdown}\n![{title}]({stem}.svg)\n", ct);
            Console.WriteLine("written: " + Path.Combine(output, stem + ".md"));
        }
    }

    private static void Say(string line) => Console.Error.WriteLine(line);
}
