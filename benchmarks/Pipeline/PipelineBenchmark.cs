using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Evaluation.Report;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>How long the running system takes from a PUT to a searchable picture, one at a time and in a burst, and where the time goes.</summary>
public sealed class PipelineBenchmark(ObjectStore store, NpgsqlDataSource db, Action<string> say)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    // A run of its own each time: the store knows pictures by content, and one that is there already costs nothing.
    private readonly int seed = Random.Shared.Next(1 << 30);
    private readonly string prefix = $"bench/{Guid.NewGuid().ToString("N")[..8]}/";
    private readonly ProgressCatalog progress = new(db);

    /// <returns>Markdown, and the plot of the burst as SVG.</returns>
    public async Task<(string Markdown, string Plot)> RunAsync(int single, int burst, CancellationToken ct)
    {
        try
        {
            return await MeasureAsync(single, burst, ct);
        }
        finally
        {
            await foreach (var o in store.ListAsync(store.Options.UploadBucket, prefix, ct: CancellationToken.None))
            {
                await store.DeleteAsync(store.Options.UploadBucket, o.Key, CancellationToken.None);
            }
        }
    }

    private async Task<(string, string)> MeasureAsync(int single, int burst, CancellationToken ct)
    {
        say($"pipeline: {single} pictures one at a time");
        List<double> rest = [];
        for (var i = 0; i <= single; i++)
        {
            var content = DrawnPictures.Jpeg(seed + i);
            var start = Stopwatch.GetTimestamp();
            await PutAsync(i, content, ct);
            await WaitAsync([ImageId.Of(content)], 20, ct);
            if (i > 0)
            {
                // The first one wakes connections and models.
                rest.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }

        say($"pipeline: a burst of {burst}");
        var offset = await ClockOffsetAsync(ct);
        var before = ServiceProcesses.Look();
        var wall = Stopwatch.GetTimestamp();
        ConcurrentDictionary<ImageId, DateTime> put = [];
        ConcurrentDictionary<string, double> memory = [];
        long bytes = 0;
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var watcher = WatchMemoryAsync(memory, watching.Token);
        await Parallel.ForAsync(0, burst, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct }, async (i, token) =>
        {
            var content = DrawnPictures.Jpeg(seed + single + 1 + i);
            Interlocked.Add(ref bytes, content.Length);
            put[ImageId.Of(content)] = DateTime.UtcNow + offset;
            await PutAsync(single + 1 + i, content, token);
        });
        var uploaded = Stopwatch.GetElapsedTime(wall).TotalSeconds;
        await WaitAsync([.. put.Keys], 500, ct);
        var after = ServiceProcesses.Look();
        var wallSeconds = Stopwatch.GetElapsedTime(wall).TotalSeconds;
        await watching.CancelAsync();
        await watcher;

        var times = await PictureTimes.ReadAsync(db, put.Keys, ct);
        var first = put.Values.Min();
        var seconds = (times.Max(t => t.Searchable) - first).TotalSeconds;
        return (Report(rest, burst, uploaded, seconds, bytes, put, times, before, after, memory, wallSeconds), Plot(burst, first, put, times));
    }

    private static string Report(
        List<double> rest, int burst, double uploaded, double seconds, long bytes, IReadOnlyDictionary<ImageId, DateTime> put, IReadOnlyList<PictureTimes> times,
        IReadOnlyDictionary<string, ServiceUse> before, IReadOnlyDictionary<string, ServiceUse> after, IReadOnlyDictionary<string, double> memory, double wall)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Drawn JPEG pictures of {DrawnPictures.Width} x {DrawnPictures.Height} ({bytes / burst / 1024} KiB on average), put into the object store, 8 at once in the burst. Searchable: bitstream, vector\nand texts are in the catalogue. One at a time is timed by the client, asking every 20 ms; the burst by the catalogue's own timestamps.\n\n");
        var waits = times.Select(t => (t.Searchable - put[t.Id]).TotalSeconds).ToArray();
        text.Append(new MarkdownTable("PUT to searchable", "pictures", "p50 s", "p99 s", "pictures/s")
            .Add("one at a time", rest.Count, Percentile(rest, 0.5), Percentile(rest, 0.99), null)
            .Add("burst", burst, Percentile(waits, 0.5), Percentile(waits, 0.99), burst / seconds));
        text.Append(CultureInfo.InvariantCulture, $"\nThe uploads of the burst took {uploaded:F1} s, all of it {seconds:F1} s; at most {PeakBacklog(put, times):N0} pictures were uploaded and not yet searchable.\n\nWhere a picture's time goes in the burst, queueing included (described runs beside encoded and embedded):\n\n");
        text.Append(new MarkdownTable("from", "to", "p50 s", "p99 s", "the worker's own count, mean ms")
            .Add("PUT", "registered", Percentile(times.Select(t => (t.Registered - put[t.Id]).TotalSeconds), 0.5), Percentile(times.Select(t => (t.Registered - put[t.Id]).TotalSeconds), 0.99), null)
            .Add("registered", "encoded", Percentile(times.Select(t => (t.Encoded - t.Registered).TotalSeconds), 0.5), Percentile(times.Select(t => (t.Encoded - t.Registered).TotalSeconds), 0.99), times.Average(t => t.EncodeMilliseconds))
            .Add("encoded", "embedded", Percentile(times.Select(t => (t.Embedded - t.Encoded).TotalSeconds), 0.5), Percentile(times.Select(t => (t.Embedded - t.Encoded).TotalSeconds), 0.99), null)
            .Add("registered", "described", Percentile(times.Select(t => (t.Captioned - t.Registered).TotalSeconds), 0.5), Percentile(times.Select(t => (t.Captioned - t.Registered).TotalSeconds), 0.99), times.Average(t => t.CaptionMilliseconds)));
        if (after.Count > 0)
        {
            var use = new MarkdownTable("service", "processor s", "ms a picture", "share of all cores, %", "memory before MiB", "highest MiB");
            foreach (var (name, end) in after.OrderByDescending(a => a.Value.CpuSeconds - (before.GetValueOrDefault(a.Key)?.CpuSeconds ?? 0)))
            {
                var cpu = end.CpuSeconds - (before.GetValueOrDefault(name)?.CpuSeconds ?? 0);
                use.Add(name, cpu, 1000 * cpu / burst, 100 * cpu / wall / Environment.ProcessorCount, before.GetValueOrDefault(name)?.MemoryMib ?? 0, memory.GetValueOrDefault(name));
            }

            text.Append("\nProcessor time and memory of the services during the burst:\n\n").Append(use);
        }

        return text.ToString();
    }

    private static string Plot(int burst, DateTime first, IReadOnlyDictionary<ImageId, DateTime> put, IReadOnlyList<PictureTimes> times)
    {
        IReadOnlyList<(double, double)> Count(IEnumerable<DateTime> at)
        {
            var sorted = at.Select(t => (t - first).TotalSeconds).Order().ToArray();
            var step = Math.Max(1, sorted.Length / 200);
            return [.. Enumerable.Range(0, sorted.Length).Where(i => i % step == 0 || i == sorted.Length - 1).Select(i => (sorted[i], i + 1.0))];
        }

        return new LinePlot($"A burst of {burst} pictures", "seconds since the first PUT", "pictures",
            [new("uploaded", Count(put.Values)), new("registered", Count(times.Select(t => t.Registered))), new("encoded", Count(times.Select(t => t.Encoded))),
                new("embedded", Count(times.Select(t => t.Embedded))), new("described", Count(times.Select(t => t.Captioned)))], MinY: 0).ToSvg();
    }

    private static int PeakBacklog(IReadOnlyDictionary<ImageId, DateTime> put, IReadOnlyList<PictureTimes> times)
    {
        var (now, peak) = (0, 0);
        foreach (var (_, change) in put.Values.Select(t => (t, 1)).Concat(times.Select(t => (t.Searchable, -1))).OrderBy(e => e.Item1))
        {
            peak = Math.Max(peak, now += change);
        }

        return peak;
    }

    private Task PutAsync(int i, byte[] content, CancellationToken ct) =>
        store.PutAsync(store.Options.UploadBucket, string.Create(CultureInfo.InvariantCulture, $"{prefix}{i:D6}.jpg"), content, "image/jpeg", ct);

    private async Task WaitAsync(IReadOnlyCollection<ImageId> ids, int period, CancellationToken ct)
    {
        var (moved, last) = (Stopwatch.GetTimestamp(), -1L);
        while (true)
        {
            var p = await progress.CountAsync(ids, ct);
            if (p.Searchable == ids.Count)
            {
                return;
            }

            if (p.Images + p.Encoded + p.Embedded + p.Captioned is var sum && sum != last)
            {
                (last, moved) = (sum, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(moved) > Patience)
            {
                throw new InvalidOperationException($"{ids.Count - p.Searchable} of {ids.Count} pictures are not searchable and nothing has moved for {Patience.TotalMinutes:0} minutes. `./imagesearch pipeline` shows where they are.");
            }

            await Task.Delay(period, ct);
        }
    }

    /// <summary>What is to be added to this machine's clock to get the database's.</summary>
    private async Task<TimeSpan> ClockOffsetAsync(CancellationToken ct)
    {
        await using var command = db.CreateCommand("SELECT clock_timestamp()");
        await command.ExecuteScalarAsync(ct);
        var start = DateTime.UtcNow;
        var there = (DateTime)(await command.ExecuteScalarAsync(ct))!;
        return there - start - ((DateTime.UtcNow - start) / 2);
    }

    private static async Task WatchMemoryAsync(ConcurrentDictionary<string, double> highest, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            foreach (var (name, use) in ServiceProcesses.Look())
            {
                highest.AddOrUpdate(name, use.MemoryMib, (_, known) => Math.Max(known, use.MemoryMib));
            }

            await Task.Delay(TimeSpan.FromSeconds(3), ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static double Percentile(IEnumerable<double> values, double share) => values.Order().ToArray() is { Length: > 0 } sorted ? sorted[(int)Math.Ceiling(share * sorted.Length) - 1] : double.NaN;
}
