namespace ImageSearch.Codec;

/// <summary>Lets pictures in as long as their pixels together stay within a budget; one that is larger than the budget is let in alone.</summary>
public sealed class PixelBudget
{
    private readonly Lock gate = new();
    private readonly LinkedList<(long Cost, TaskCompletionSource Entered)> waiting = [];
    private readonly long total;
    private long free;

    /// <param name="pixels">Pixels in work at once.</param>
    public PixelBudget(long pixels) => (total, free) = (pixels, pixels);

    /// <returns>Gives the pixels back when disposed.</returns>
    public async Task<IDisposable> EnterAsync(long cost, CancellationToken ct)
    {
        cost = Math.Clamp(cost, 1, total);
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        LinkedListNode<(long, TaskCompletionSource)> node;
        lock (gate)
        {
            node = waiting.AddLast((cost, entered));
            Admit();
        }

        await using var registration = ct.Register(() =>
        {
            lock (gate)
            {
                if (entered.TrySetCanceled(ct))
                {
                    waiting.Remove(node);
                    Admit();
                }
            }
        });
        await entered.Task;
        return new Lease(this, cost);
    }

    // First come, first served: a large picture is not starved by small ones.
    private void Admit()
    {
        while (waiting.First is { } first && first.Value.Cost <= free)
        {
            waiting.RemoveFirst();
            if (first.Value.Entered.TrySetResult())
            {
                free -= first.Value.Cost;
            }
        }
    }

    private sealed class Lease(PixelBudget budget, long cost) : IDisposable
    {
        private int disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) == 0)
            {
                lock (budget.gate)
                {
                    budget.free += cost;
                    budget.Admit();
                }
            }
        }
    }
}
