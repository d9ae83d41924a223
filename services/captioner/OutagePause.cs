namespace ImageSearch.Captioner;

public enum PauseOutcome
{
    /// <summary>The work came to its end.</summary>
    Done,

    /// <summary>The server is still down, or the service stops: the message belongs back into its queue.</summary>
    Requeue,
}

/// <param name="Limit">How long one message is held in hand; the broker wants an answer within 30 minutes.</param>
/// <param name="First">First pause between rounds; it doubles up to <paramref name="Longest"/>.</param>
/// <param name="Rounds">How often a failure that may be the picture's own is tried again.</param>
public sealed record OutagePauseSettings(TimeSpan Limit, TimeSpan First, TimeSpan Longest, int Rounds = 2);

/// <summary>
/// Holds a message while the server that it needs is down, instead of failing it: with as many messages in hand as are worked on at once, the
/// queue stands still, nothing goes to the error queue, and work goes on by itself when the server is back. Each round is also the probe.
/// </summary>
public sealed class OutagePause(OutagePauseSettings settings, TimeProvider time, CancellationToken stopping, ILogger<OutagePause> log)
{
    /// <exception cref="CaptionException">The failure is the picture's, or did not pass within the rounds.</exception>
    public async Task<PauseOutcome> RunAsync(Func<CancellationToken, Task> work, CancellationToken ct)
    {
        var start = time.GetTimestamp();
        var (pause, rounds) = (settings.First, 0);
        while (true)
        {
            try
            {
                await work(ct);
                return PauseOutcome.Done;
            }
            catch (CaptionException e) when (e.ConcernsAll || (e.MayPass && rounds < settings.Rounds))
            {
                rounds += e.MayPass ? 1 : 0;
                var wait = (e.RetryAfter > pause ? e.RetryAfter.Value : pause) * (1 + (Random.Shared.NextDouble() / 5));
                var left = settings.Limit - time.GetElapsedTime(start);
                if (wait > left && e.MayPass)
                {
                    throw;
                }

                log.LogWarning("Captions wait {Seconds:0} s: {Reason}", Math.Min(wait.TotalSeconds, Math.Max(0, left.TotalSeconds)), e.Message);
                if (!await WaitAsync(wait < left ? wait : left, ct) || wait >= left)
                {
                    return PauseOutcome.Requeue;
                }

                pause = pause * 2 < settings.Longest ? pause * 2 : settings.Longest;
            }
        }
    }

    /// <returns>False if the service stops.</returns>
    private async Task<bool> WaitAsync(TimeSpan wait, CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, stopping);
        CaptionMetrics.Waiting.Add(1);
        try
        {
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, time, either.Token);
            }

            return true;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            CaptionMetrics.Waiting.Add(-1);
        }
    }
}
