using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Pipeline;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Retries;

/// <summary>
/// Sends retries out and decides how they ended. Any number of operators may run this: each retry is worked on by the one that holds its lock.
/// A canary retry sends 1, 5, 50, then 500 messages at a time, and each batch only after all of the one before are done; one failure stops it.
/// </summary>
/// <remarks>
/// A message counts as done by the first of: an event of its picture later than the sending that shows its stage done; or its queue was seen
/// worked off after the sending and <see cref="OperatorOptions.RetrySettle"/> passed without a new failure. A failure that comes later still
/// corrects that.
/// </remarks>
public sealed class RetryDispatcher(
    RetryCatalog retries, RetryPublisher publisher, QueueInspector queues, IOptions<OperatorOptions> options, TimeProvider time, ILogger<RetryDispatcher> log) : BackgroundService
{
    private const int PublishAtOnce = 100;

    // When the queue of a sent message was first seen worked off after its sending.
    private readonly Dictionary<(long Retry, long Failure), DateTimeOffset> settling = [];
    private readonly Dictionary<long, DateTimeOffset> paced = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var busy = false;
            try
            {
                foreach (var retry in await retries.OpenAsync(stoppingToken))
                {
                    await using var right = await retries.TryLockAsync(retry, stoppingToken);
                    if (right is not null)
                    {
                        await StepAsync(retry, stoppingToken);
                        busy = true;
                    }
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Retries pause for 2 s: {Reason}", e.Message);
                await Task.Delay(TimeSpan.FromSeconds(2), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(busy ? 200 : 1000), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Does what can be done now for one retry. The caller holds its lock.</summary>
    public async Task StepAsync(long retry, CancellationToken ct)
    {
        await DecideAsync(retry, ct);
        if (await retries.FindAsync(retry, ct) is not { } state)
        {
            return;
        }

        if (state.State != "running")
        {
            await SendAsync(retry, null, int.MaxValue, orphansOnly: true, ct);
        }
        else if (state.Rate is { } rate)
        {
            await PacedAsync(state, rate, ct);
        }
        else
        {
            await CanaryAsync(state, ct);
        }
    }

    private async Task CanaryAsync(RetrySummary state, CancellationToken ct)
    {
        if (state.Failed > 0)
        {
            await retries.EndAsync(state.Id, "stopped", $"{state.Failed} of the batch failed again; {state.Pending} messages were not sent.", ct);
            return;
        }

        if (await SendAsync(state.Id, state.Batch, int.MaxValue, orphansOnly: false, ct) > 0 || state.Out > 0)
        {
            return;
        }

        if (state.Batch + 1 < state.Batches)
        {
            await retries.AdvanceAsync(state.Id, state.Batch + 1, ct);
            await SendAsync(state.Id, state.Batch + 1, int.MaxValue, orphansOnly: false, ct);
        }
        else
        {
            await retries.EndAsync(state.Id, "done", null, ct);
        }
    }

    private async Task PacedAsync(RetrySummary state, float rate, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var allowed = paced.TryGetValue(state.Id, out var last) ? (int)Math.Min((now - last).TotalSeconds * rate, Math.Max(rate, 1)) : 1;
        if (allowed >= 1)
        {
            paced[state.Id] = now;
            if (await SendAsync(state.Id, null, allowed, orphansOnly: false, ct) == 0 && state.Out == 0)
            {
                paced.Remove(state.Id);
                await retries.EndAsync(state.Id, "done", null, ct);
            }
        }
    }

    /// <returns>Messages that went out.</returns>
    private async Task<int> SendAsync(long retry, int? batch, int limit, bool orphansOnly, CancellationToken ct)
    {
        var total = 0;
        IChannel? channel = null;
        try
        {
            while (total < limit)
            {
                var messages = await retries.ClaimAsync(retry, batch, Math.Min(PublishAtOnce, limit - total), orphansOnly, ct);
                if (messages.Count == 0)
                {
                    break;
                }

                foreach (var again in messages.Where(m => m.Sends > 1))
                {
                    log.LogWarning("Failure {Failure} of retry {Retry} is sent for the {Sends}. time: an operator died before it had noted the sending", again.Failure, retry, again.Sends);
                }

                channel ??= await OpenAsync(retry, messages, ct);
                var outcomes = await Task.WhenAll(messages.Select(m => TryPublishAsync(channel, m, ct)));
                await retries.MarkSentAsync(retry, [.. outcomes.Where(o => o.Error is null).Select(o => o.Failure)], CancellationToken.None);
                if (outcomes.Where(o => o.Error is not null).ToArray() is { Length: > 0 } refused)
                {
                    await retries.MarkUnsentAsync(retry, [.. refused.Select(o => o.Failure)], CancellationToken.None);
                    throw new IOException($"{refused.Length} messages of retry {retry} were not taken by the broker: {refused[0].Error!.Message}");
                }

                total += messages.Count;
            }
        }
        finally
        {
            if (channel is not null)
            {
                await channel.DisposeAsync();
            }
        }

        return total;
    }

    private async Task<IChannel> OpenAsync(long retry, IReadOnlyList<OutgoingRetry> messages, CancellationToken ct)
    {
        try
        {
            return await publisher.OpenAsync(ct);
        }
        catch
        {
            await retries.MarkUnsentAsync(retry, [.. messages.Select(m => m.Failure)], CancellationToken.None);
            throw;
        }
    }

    private static async Task<(long Failure, Exception? Error)> TryPublishAsync(IChannel channel, OutgoingRetry message, CancellationToken ct)
    {
        try
        {
            await RetryPublisher.PublishAsync(channel, message, ct);
            return (message.Failure, null);
        }
        catch (Exception e)
        {
            return (message.Failure, e);
        }
    }

    private async Task DecideAsync(long retry, CancellationToken ct)
    {
        await retries.SucceedByEventAsync(retry, ct);
        var sent = await retries.SentAsync(retry, ct);
        List<long> quiet = [];
        foreach (var group in sent.GroupBy(s => s.Endpoint))
        {
            var idle = await queues.IsWorkedOffAsync(group.Key, ct);
            var now = time.GetUtcNow();
            foreach (var s in group)
            {
                if (settling.TryGetValue((retry, s.Failure), out var seen))
                {
                    if (now - seen >= options.Value.RetrySettle)
                    {
                        quiet.Add(s.Failure);
                    }
                }
                else if (idle && now - s.SentAt >= queues.Delay)
                {
                    settling[(retry, s.Failure)] = now;
                }
            }
        }

        if (quiet.Count > 0)
        {
            await retries.SucceedBySilenceAsync(retry, [.. quiet], ct);
        }

        var open = sent.Select(s => s.Failure).Except(quiet).ToHashSet();
        foreach (var gone in settling.Keys.Where(k => k.Retry == retry && !open.Contains(k.Failure)).ToArray())
        {
            settling.Remove(gone);
        }
    }
}
