using System.Threading.Channels;

namespace ImageSearch.Inference;

/// <summary>
/// Collects concurrent calls into batches of one shape: the first call of a batch waits a moment for others. When a batch fails, its members are run one by one, so that a
/// bad one fails alone. Bounded: callers wait when too many are pending.
/// </summary>
/// <param name="run">One result for each input, in order. Called by one thread at a time.</param>
/// <param name="shapeOf">Inputs with equal keys may share a batch.</param>
/// <param name="maxBatch">1 or more.</param>
/// <param name="maxDelay">Wait of the first call; zero only takes what is pending already.</param>
public sealed class MicroBatcher<TInput, TOutput>(
    Func<IReadOnlyList<TInput>, IReadOnlyList<TOutput>> run, Func<TInput, object> shapeOf, int maxBatch, TimeSpan maxDelay) : IAsyncDisposable, IDisposable
{
    private readonly Channel<Call> calls = Channel.CreateBounded<Call>(new BoundedChannelOptions(Math.Max(1, maxBatch) * 8) { SingleReader = true });
    private readonly Lock gate = new();
    private Task? loop;

    /// <exception cref="ObjectDisposedException">The batcher is closed.</exception>
    public async Task<TOutput> RunAsync(TInput input, CancellationToken cancellationToken = default)
    {
        lock (gate)
        {
            loop ??= Task.Run(LoopAsync, CancellationToken.None);
        }

        var call = new Call(input, cancellationToken);
        try
        {
            await calls.Writer.WriteAsync(call, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(MicroBatcher<,>));
        }

        return await call.Result.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finishes what is pending, then stops.</summary>
    public async ValueTask DisposeAsync()
    {
        calls.Writer.TryComplete();
        if (loop is not null)
        {
            await loop.ConfigureAwait(false);
        }
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private async Task LoopAsync()
    {
        var batch = new List<Call>(maxBatch);
        while (await calls.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            batch.Clear();
            Take(batch);
            if (batch.Count < maxBatch && maxDelay > TimeSpan.Zero)
            {
                await Task.Delay(maxDelay).ConfigureAwait(false);
                Take(batch);
            }

            foreach (var group in batch.Where(c => !c.Cancellation.IsCancellationRequested).GroupBy(c => shapeOf(c.Input)))
            {
                RunGroup([.. group]);
            }
        }
    }

    private void Take(List<Call> batch)
    {
        while (batch.Count < maxBatch && calls.Reader.TryRead(out var call))
        {
            batch.Add(call);
        }
    }

    private void RunGroup(Call[] group)
    {
        try
        {
            var results = run(Array.ConvertAll(group, c => c.Input));
            if (results.Count != group.Length)
            {
                throw new InvalidOperationException($"{results.Count} results for a batch of {group.Length}");
            }

            for (var i = 0; i < group.Length; i++)
            {
                group[i].Result.TrySetResult(results[i]);
            }
        }
        catch (Exception) when (group.Length > 1)
        {
            foreach (var call in group)
            {
                RunGroup([call]);
            }
        }
        catch (Exception e)
        {
            group[0].Result.TrySetException(e);
        }
    }

    private sealed record Call(TInput Input, CancellationToken Cancellation)
    {
        public TaskCompletionSource<TOutput> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
