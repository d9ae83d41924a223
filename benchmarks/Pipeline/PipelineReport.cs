using System.Globalization;
using System.Text;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Tables and plot of <see cref="PipelineBenchmark"/>.</summary>
internal static class PipelineReport
{
    public static string Markdown((int Width, int Height) size, IReadOnlyList<double> rest, IReadOnlyList<BurstResult> bursts)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Drawn JPEG pictures of {size.Width} x {size.Height} ({bursts[0].Bytes / bursts[0].Pictures / 1024} KiB on average), put into the object store, 8 at once in a burst. Searchable: bitstream, vector\nand texts are in the catalogue. One at a time is timed by the client, asking every 20 ms; a burst by the catalogue's own timestamps.\n\n");
        var table = new MarkdownTable("PUT to searchable", "pictures", "p50 s", "p99 s", "pictures/s", "efficiency, %", "of what others left", "with the integer coder", "at most waiting");
        table.Add("one at a time", rest.Count, Percentile.Of(rest, 0.5), Percentile.Of(rest, 0.99), null, null, null, null, null);
        foreach (var b in bursts)
        {
            table.Add(b.Title, b.Pictures, Percentile.Of(b.Waits, 0.5), Percentile.Of(b.Waits, 0.99), b.PicturesPerSecond, b.Efficiency, b.EfficiencyOfTheRest(false), b.EfficiencyOfTheRest(true), b.PeakBacklog);
        }

        text.Append(table).Append("\nEfficiency: processor time inside ONNX Runtime and libvips, as the services count it, over wall time times cores; then over wall time times cores less what programs\noutside the system took of this machine; then with the codec's integer networks and range coder as well, which are C#. Waiting: uploaded and not yet searchable.\n");
        foreach (var b in bursts)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {char.ToUpperInvariant(b.Title[0])}{b.Title[1..]}\n\nThe uploads took {b.Uploaded:F1} s, all of it {b.Wall:F1} s.\n\n").Append(Cores(b));
            text.Append("\nWhere a picture's time goes, queueing included (described runs beside encoded and embedded):\n\n").Append(Stages(b));
            text.Append("\nMemory:\n\n").Append(Memory(b));
        }

        return text.ToString();
    }

    private static string Cores(BurstResult b)
    {
        if (b.After.Count == 0)
        {
            return "The services do not run on this machine: no processor times.\n";
        }

        var table = new MarkdownTable("share of all cores, %", "ONNX Runtime", "libvips", "integer coder", "the rest", "all", "ms a picture");
        var services = b.Compute.GroupBy(c => c.Key.Split(' ')[0], c => c.Value).Where(c => b.After.ContainsKey(c.Key)).OrderByDescending(c => b.Cpu(c.Key));
        foreach (var service in services)
        {
            var parts = service.Aggregate(ComputeParts.None, (x, y) => x + y);
            var cpu = b.Cpu(service.Key);
            table.Add(service.Key, b.Share(parts.OnnxRuntime), b.Share(parts.Libvips), b.Share(parts.Entropy), b.Share(cpu - parts.OnnxRuntime - parts.Libvips - parts.Entropy), b.Share(cpu), 1000 * cpu / b.Pictures);
        }

        foreach (var server in b.After.Keys.Where(n => !b.Compute.ContainsKey(n)).OrderByDescending(b.Cpu))
        {
            table.Add(server, null, null, null, null, b.Share(b.Cpu(server)), 1000 * b.Cpu(server) / b.Pictures);
        }

        table.Add("the client that uploads and watches", null, null, null, null, b.Share(b.Client), 1000 * b.Client / b.Pictures);
        table.Add("other programs and the kernel", null, null, null, null, b.Share(b.Others), null);
        table.Add("idle", null, null, null, null, b.Share(b.Machine.Idle), null);
        var all = b.AllCompute;
        table.Add("together", b.Share(all.OnnxRuntime), b.Share(all.Libvips), b.Share(all.Entropy), null, b.Share(b.Machine.Busy + b.Machine.Idle), null);
        return table.ToString();
    }

    private static string Stages(BurstResult b)
    {
        var table = new MarkdownTable("from", "to", "p50 s", "p99 s", "the worker's own count, mean ms");
        void Row(string from, string to, Func<PictureTimes, double> seconds, double? own) =>
            table.Add(from, to, Percentile.Of(b.Times.Select(seconds), 0.5), Percentile.Of(b.Times.Select(seconds), 0.99), own);
        Row("PUT", "registered", t => (t.Registered - b.Put[t.Id]).TotalSeconds, null);
        Row("registered", "encoded", t => (t.Encoded - t.Registered).TotalSeconds, b.Times.Average(t => t.EncodeMilliseconds));
        Row("encoded", "embedded", t => (t.Embedded - t.Encoded).TotalSeconds, null);
        Row("registered", "described", t => (t.Captioned - t.Registered).TotalSeconds, b.Times.Average(t => t.CaptionMilliseconds));
        return table.ToString();
    }

    private static string Memory(BurstResult b)
    {
        var table = new MarkdownTable("MiB", "before", "highest", "after");
        foreach (var (name, use) in b.After.OrderByDescending(a => a.Value.MemoryMib))
        {
            table.Add(name, b.Before.GetValueOrDefault(name)?.MemoryMib, b.HighestMib.TryGetValue(name, out var most) ? most : null, use.MemoryMib);
        }

        return table.ToString();
    }

    public static string Plot(BurstResult b)
    {
        var first = b.Put.Values.Min();
        IReadOnlyList<(double, double)> Count(IEnumerable<DateTime> at)
        {
            var sorted = at.Select(t => (t - first).TotalSeconds).Order().ToArray();
            var step = Math.Max(1, sorted.Length / 200);
            return [.. Enumerable.Range(0, sorted.Length).Where(i => i % step == 0 || i == sorted.Length - 1).Select(i => (sorted[i], i + 1.0))];
        }

        return new LinePlot($"A burst of {b.Pictures} pictures", "seconds since the first PUT", "pictures",
            [new("uploaded", Count(b.Put.Values)), new("registered", Count(b.Times.Select(t => t.Registered))), new("encoded", Count(b.Times.Select(t => t.Encoded))),
                new("embedded", Count(b.Times.Select(t => t.Embedded))), new("described", Count(b.Times.Select(t => t.Captioned)))], MinY: 0).ToSvg();
    }
}
