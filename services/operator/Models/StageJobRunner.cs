using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Operator.Audits;
using ImageSearch.Operator.Pipeline;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Operator.Models;

/// <summary>
/// Asks, at a rate and only while the stage has little waiting, for every image that a job has still to see done; what is missing when all was
/// asked for and worked off is asked for again, twice. A stop loses nothing: how far a job is lies in the database.
/// </summary>
public sealed class StageJobRunner(
    StageJobCatalog jobs, Repairs repairs, QueueInspector queues, IOptions<OperatorOptions> options, NpgsqlDataSource db, TimeProvider time, ILogger<StageJobRunner> log) : BackgroundService
{
    private const int Sweeps = 3;
    private const int Largest = 500;
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var job in await jobs.RunningAsync(stoppingToken))
                {
                    await using var right = await SessionLock.TryTakeAsync(db, $"job {job.Id}", stoppingToken);
                    if (right is not null)
                    {
                        await StepAsync(job, stoppingToken);
                    }
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Background jobs pause for 5 s: {Reason}", e.Message);
                await Task.Delay(TimeSpan.FromSeconds(5), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await Task.Delay(Tick, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static string QueueOf(string stage) => stage switch
    {
        Stages.Encode => Queues.Codec,
        Stages.Embed => Queues.Embedder,
        _ => Queues.Captioner,
    };

    private async Task StepAsync(StageJob job, CancellationToken ct)
    {
        if (await queues.OfQueueAsync(QueueOf(job.Stage), ct) is { } queue && queue.Ready > options.Value.JobBacklog)
        {
            return;
        }

        var next = job.SweptAt is null ? await jobs.NextAsync(job, (int)Math.Clamp(job.Rate * Tick.TotalSeconds, 1, Largest), ct) : [];
        if (next.Count > 0)
        {
            await Task.WhenAll(next.Select(i => repairs.RequestAsync(i.Image, i.Id, job.Stage, job.Model, force: job.Stage != Stages.Embed, ct)));
            await jobs.AdvanceAsync(job.Id, next[^1].Image, next.Count, ct);
            return;
        }

        await jobs.SweptAsync(job.Id, ct);
        if (await jobs.MissingAsync(job, ct) == 0)
        {
            await jobs.ChangeAsync(job.Id, "done", ct);
        }
        else if (job.SweptAt is { } swept && time.GetUtcNow() - swept > options.Value.RetrySettle && await queues.IsWorkedOffAsync(QueueOf(job.Stage), ct))
        {
            // The workers had everything in hand and some of it is still missing.
            if (job.Sweep < Sweeps)
            {
                await jobs.SweepAgainAsync(job.Id, ct);
            }
            else
            {
                await jobs.ChangeAsync(job.Id, "incomplete", ct);
            }
        }
    }
}
