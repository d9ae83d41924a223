using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Pipeline;

/// <param name="InFlight">Messages that workers have in hand.</param>
/// <param name="OldestSeconds">How long the oldest unfinished picture waits for this stage.</param>
/// <param name="DonePerSecond">Pictures that came through in the last minute, a second.</param>
/// <param name="SecondsToEmpty">At the present rates; null if the backlog does not shrink.</param>
public sealed record StageState(
    string Queue, bool Paused, string? PausedBy, long Backlog, long? InFlight, long Workers, double? InPerSecond, double? OutPerSecond, double DonePerSecond,
    double? OldestSeconds, double? SecondsToEmpty, long Failed, IReadOnlyList<string> Warnings);

public sealed record PipelineState(DateTimeOffset At, Progress Pictures, IReadOnlyList<StageState> Stages, long FailedMessages, long UnstoredFailures, IReadOnlyList<string> Warnings);

/// <summary>The state of the pipeline, put together from the broker and the database; answers of the last 3 s are given again.</summary>
public sealed class PipelineView(
    QueueInspector queues, StageControlCatalog switches, StageEventCatalog timeline, PictureCatalog pictures, ProgressCatalog progress, FailureQueries failures, IOptions<OperatorOptions> options, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(3);

    private static readonly Dictionary<string, (string? Stage, string[] Events)> Work = new()
    {
        [Queues.IngestS3Events] = (null, ["ingested", "rejected", "removed"]),
        [Queues.Codec] = (Stages.Encode, ["encoded"]),
        [Queues.Embedder] = (Stages.Embed, ["embedded"]),
        [Queues.Captioner] = (Stages.Caption, ["captioned"]),
    };

    private readonly SemaphoreSlim gate = new(1, 1);
    private PipelineState? last;

    public async Task<PipelineState> ReadAsync(CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            return last is not null && time.GetUtcNow() - last.At < Fresh ? last : last = await BuildAsync(ct);
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<PipelineState> BuildAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var sources = Failures.ErrorQueueReader.SourceQueues;
        var states = (await queues.AllAsync([.. Queues.Pipeline, .. sources], ct)).ToDictionary(q => q.Name);
        var paused = (await switches.ListAsync(ct)).Where(s => s.Paused).ToDictionary(s => s.Queue);
        var minute = await timeline.CountSinceAsync(now - TimeSpan.FromMinutes(1), ct);
        var oldest = await pictures.OldestWaitingAsync(ct);
        var failed = (await failures.GroupsAsync("endpoint", "failed", null, ct)).ToDictionary(g => g.Key, g => g.Count);
        List<StageState> stages = [];
        List<string> warnings = [];
        foreach (var queue in Queues.Pipeline)
        {
            if (!states.TryGetValue(queue, out var state))
            {
                warnings.Add($"Queue {queue} does not exist: run `imagesearch provision`.");
                continue;
            }

            var (stage, events) = Work.GetValueOrDefault(queue, (null, []));
            var done = events.Sum(e => minute.GetValueOrDefault(e)) / 60.0;
            var waits = stage is not null && oldest.TryGetValue(stage, out var since) ? (now - since).TotalSeconds : (double?)null;
            var drain = state.Out - state.In;
            var empty = state.Ready == 0 ? 0 : drain > 0.01 ? state.Ready / drain : null;
            stages.Add(new(queue, paused.ContainsKey(queue), paused.GetValueOrDefault(queue)?.Actor, state.Ready, state.Unanswered, state.Consumers, state.In, state.Out, done,
                waits, empty, failed.GetValueOrDefault(queue), [.. Warnings(state, paused.ContainsKey(queue), waits, empty, options.Value.SlowAfter)]));
        }

        warnings.AddRange(stages.SelectMany(s => s.Warnings.Select(w => $"{s.Queue}: {w}")));
        var unstored = sources.Sum(s => states.GetValueOrDefault(s)?.Ready ?? 0);
        if (unstored > 1000)
        {
            warnings.Add($"{unstored} failed messages wait to be stored: the operator does not keep up, or PostgreSQL does not answer it.");
        }

        return new(now, await progress.CountAsync(ct: ct), stages, failed.Values.Sum(), unstored, warnings);
    }

    /// <summary>What an operator should know of a stage; nothing if it keeps up.</summary>
    /// <param name="waits">Seconds that its oldest picture waits.</param>
    /// <param name="empty">Seconds to empty the queue at the present rates.</param>
    public static IEnumerable<string> Warnings(QueueState q, bool paused, double? waits, double? empty, TimeSpan slowAfter)
    {
        if (paused)
        {
            yield return q.Ready > 0 ? $"is paused with {q.Ready} messages waiting" : "is paused";
            yield break;
        }

        if (q.Consumers == 0)
        {
            yield return "has no worker: is the service running? Its kill switch also lets go of the queue for 20 s after many failures";
        }

        if (q.Ready > 100 && q.In > q.Out)
        {
            yield return $"does not keep up: {q.In:0.0} messages a second come in, {q.Out:0.0} are done";
        }

        if (empty > TimeSpan.FromHours(1).TotalSeconds)
        {
            yield return $"needs {TimeSpan.FromSeconds(empty.Value):d\\.hh\\:mm} h to empty at the present rate";
        }

        if (waits > slowAfter.TotalSeconds)
        {
            yield return $"its oldest picture waits for {TimeSpan.FromSeconds(waits.Value):d\\.hh\\:mm} h";
        }
    }
}
