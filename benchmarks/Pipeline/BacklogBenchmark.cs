using System.Diagnostics;
using System.Globalization;
using System.Text;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Evaluation.Report;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Many pictures queue in front of a paused codec, then drain: memory of every service and server must stay flat, whatever the queue's length.</summary>
public sealed class BacklogBenchmark(ObjectStore store, NpgsqlDataSource db, Action<string> say)
{
    private const int Width = 96, Height = 64;

    private sealed record Sample(double Seconds, string Phase, long Registered, long Encoded, long Searchable, IReadOnlyDictionary<string, ProcessUse> Use);

    /// <param name="pictures">Queued in all.</param>
    /// <param name="drain">The drain is watched for this long at most.</param>
    /// <returns>Markdown, and a plot of memory over time as SVG.</returns>
    public async Task<(string Markdown, string Plot)> RunAsync(int pictures, TimeSpan drain, CancellationToken ct)
    {
        say($"backlog: drawing {pictures} pictures");
        var files = DrawnPictures.Jpegs(Random.Shared.Next(1 << 30), pictures, Width, Height);
        ImageId[] ids = [.. files.Select(f => ImageId.Of(f)).Distinct()];
        var switches = new StageControlCatalog(db);
        await using var uploads = new Uploads(store, db);
        List<Sample> samples = [];
        var start = Stopwatch.GetTimestamp();
        async Task<Sample> LookAsync(string phase)
        {
            var p = await uploads.CountAsync(ids, ct);
            samples.Add(new(Stopwatch.GetElapsedTime(start).TotalSeconds, phase, p.Images, p.Encoded, p.Searchable, MemoryWatch.Look()));
            say(string.Create(CultureInfo.InvariantCulture, $"backlog: {samples[^1].Seconds:F0} s, {phase}: {p.Images} registered, {p.Encoded} encoded, {p.Searchable} searchable"));
            return samples[^1];
        }

        await switches.SetAsync(Queues.Codec, paused: true, "benchmark", ct);
        try
        {
            // Workers look at the switches every 2 s.
            await Task.Delay(TimeSpan.FromSeconds(5), ct);
            start = Stopwatch.GetTimestamp();
            await LookAsync("before");
            var putting = uploads.PutAllAsync(files, _ => { }, ct);
            while ((await LookAsync("queueing")).Registered < ids.Length || !putting.IsCompleted)
            {
                await Task.WhenAny(Task.Delay(TimeSpan.FromSeconds(10), ct), putting.IsCompleted ? Task.Delay(TimeSpan.FromSeconds(2), ct) : putting);
            }

            await putting;
        }
        finally
        {
            await switches.SetAsync(Queues.Codec, paused: false, "benchmark", CancellationToken.None);
        }

        var drained = Stopwatch.GetTimestamp();
        while ((await LookAsync("draining")).Searchable < ids.Length && Stopwatch.GetElapsedTime(drained) < drain)
        {
            await Task.Delay(TimeSpan.FromSeconds(10), ct);
        }

        return (Markdown(ids.Length, samples), Plot(ids.Length, samples));
    }

    private static string Markdown(int pictures, List<Sample> samples)
    {
        var (last, full) = (samples[^1], samples.Last(s => s.Phase == "queueing"));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{pictures:N0} drawn JPEG pictures of {Width} x {Height} were put into the store while the codec was paused, and all of them registered after {full.Seconds:F0} s. Then the codec went on; ");
        text.Append(last.Searchable == pictures
            ? string.Create(CultureInfo.InvariantCulture, $"all were searchable {last.Seconds - full.Seconds:F0} s later ({pictures / (last.Seconds - full.Seconds):F1} pictures/s).\n\n")
            : string.Create(CultureInfo.InvariantCulture, $"after {last.Seconds - full.Seconds:F0} s, when the measurement ended, {last.Encoded:N0} were encoded and {last.Searchable:N0} searchable ({(last.Encoded - full.Encoded) / (last.Seconds - full.Seconds):F1} encoded/s).\n\n"));
        var draining = samples.Where(s => s.Phase == "draining").ToArray();
        var third = Math.Max(1, draining.Length / 3);
        var table = new MarkdownTable("MiB", "before", "all queued", "draining: mean of the first third", "of the last third", "highest");
        foreach (var name in last.Use.Keys.Where(n => samples.All(s => s.Use.ContainsKey(n))).OrderByDescending(n => last.Use[n].MemoryMib))
        {
            table.Add(name, samples[0].Use[name].MemoryMib, full.Use[name].MemoryMib, draining.Take(third).Average(s => s.Use[name].MemoryMib),
                draining.TakeLast(third).Average(s => s.Use[name].MemoryMib), samples.Max(s => s.Use[name].MemoryMib));
        }

        return text.Append(table).ToString();
    }

    private static string Plot(int pictures, List<Sample> samples) => new LinePlot($"Memory while {pictures:N0} pictures queue and drain", "seconds", "MiB",
        [.. samples[^1].Use.Keys.Order(StringComparer.Ordinal).Select(name => new PlotLine(name, [.. samples.Where(s => s.Use.ContainsKey(name)).Select(s => (s.Seconds, s.Use[name].MemoryMib))]))], MinY: 0).ToSvg();
}
