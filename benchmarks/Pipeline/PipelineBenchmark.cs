using System.Collections.Concurrent;
using System.Diagnostics;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>How long the running system takes from a PUT to a searchable picture, one at a time and in a burst, and what the cores do meanwhile.</summary>
/// <param name="services">Addresses of the services, by name.</param>
/// <param name="size">Pixels of each picture.</param>
public sealed class PipelineBenchmark(ObjectStore store, NpgsqlDataSource db, IReadOnlyDictionary<string, Uri> services, (int Width, int Height) size, Action<string> say)
{
    private static readonly string[] Workers = ["codec", "embedder", "captioner"];

    // A run of its own each time: the store knows pictures by content, and one that is there already costs nothing.
    private int seed = Random.Shared.Next(1 << 30);

    /// <param name="replica">The burst a second time, with a second process of the slowest worker.</param>
    /// <returns>Markdown, and the plot of the burst as SVG.</returns>
    public async Task<(string Markdown, string Plot)> RunAsync(int single, int burst, bool replica, CancellationToken ct)
    {
        await using var uploads = new Uploads(store, db);
        say($"pipeline: {single} pictures one at a time");
        List<double> rest = [];
        foreach (var (i, content) in Draw(single + 1).Index())
        {
            var start = Stopwatch.GetTimestamp();
            await uploads.PutAsync(content, ct);
            await uploads.WaitAsync([ImageId.Of(content)], 20, ct);
            if (i > 0)
            {
                // The first one wakes connections and models.
                rest.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }

        // Compilers and pools take some hundred pictures to settle; what is measured is a system at work.
        var warming = Draw(Math.Clamp(burst / 4, 20, 200));
        say($"pipeline: {warming.Length} to get warm");
        await uploads.PutAllAsync(warming, _ => { }, ct);
        await uploads.WaitAsync([.. warming.Select(f => ImageId.Of(f))], 1000, ct);
        List<BurstResult> bursts = [await BurstAsync("burst", uploads, burst, services, ct)];
        if (replica)
        {
            var slowest = Workers.Where(bursts[0].After.ContainsKey).MaxBy(bursts[0].Cpu) ?? Workers[0];
            await using var second = await Replica.StartAsync(slowest, ct);
            bursts.Add(await BurstAsync($"burst, two replicas of {slowest}", uploads, burst, services.Append(new(slowest + " (second)", second.Address)), ct));
        }

        return (PipelineReport.Markdown(size, rest, bursts), PipelineReport.Plot(bursts[0]));
    }

    private byte[][] Draw(int count)
    {
        var files = DrawnPictures.Jpegs(seed, count, size.Width, size.Height);
        seed += count;
        return files;
    }

    private async Task<BurstResult> BurstAsync(string title, Uploads uploads, int count, IEnumerable<KeyValuePair<string, Uri>> asked, CancellationToken ct)
    {
        say($"pipeline: {title} of {count}");
        var files = Draw(count);
        var offset = await ClockOffsetAsync(ct);
        ConcurrentDictionary<ImageId, DateTime> put = [];
        await using var memory = new MemoryWatch();
        var parts = await PartsAsync(asked, ct);
        var (before, client, machine) = (MemoryWatch.Look(), Clock.ProcessorSeconds(), LocalProcesses.Machine());
        var wall = Stopwatch.GetTimestamp();
        await uploads.PutAllAsync(files, file => put[ImageId.Of(file)] = DateTime.UtcNow + offset, ct);
        var uploaded = Stopwatch.GetElapsedTime(wall).TotalSeconds;
        await uploads.WaitAsync([.. put.Keys], 1000, ct);
        var seconds = Stopwatch.GetElapsedTime(wall).TotalSeconds;
        var (busy, idle) = LocalProcesses.Machine();
        var (after, used) = (MemoryWatch.Look(), Clock.ProcessorSeconds() - client);
        var compute = (await PartsAsync(asked, ct)).ToDictionary(p => p.Key, p => p.Value - parts[p.Key]);
        return new(title, count, files.Sum(f => (long)f.Length), put, await PictureTimes.ReadAsync(db, put.Keys, ct), uploaded, seconds,
            before, after, memory.HighestMib, compute, used, (busy - machine.Busy, idle - machine.Idle));
    }

    private static async Task<IReadOnlyDictionary<string, ComputeParts>> PartsAsync(IEnumerable<KeyValuePair<string, Uri>> asked, CancellationToken ct)
    {
        using var http = new HttpClient();
        Dictionary<string, ComputeParts> parts = [];
        foreach (var (name, address) in asked)
        {
            parts[name] = await ComputeParts.ReadAsync(http, address, ct);
        }

        return parts;
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
}
