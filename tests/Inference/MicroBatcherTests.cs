using System.Collections.Concurrent;

namespace ImageSearch.Inference.Tests;

public class MicroBatcherTests
{
    [Fact]
    public async Task Concurrent_calls_share_batches_of_one_shape()
    {
        var batches = new ConcurrentQueue<int[]>();
        await using var batcher = new MicroBatcher<int, int>(
            b =>
            {
                batches.Enqueue([.. b]);
                return [.. b.Select(v => v * 10)];
            }, v => v % 2, 8, TimeSpan.FromMilliseconds(100));
        var results = await Task.WhenAll(Enumerable.Range(0, 64).Select(v => batcher.RunAsync(v)));
        Assert.Equal(Enumerable.Range(0, 64).Select(v => v * 10), results);
        Assert.All(batches, b => Assert.Single(b.Select(v => v % 2).Distinct()));
        Assert.All(batches, b => Assert.InRange(b.Length, 1, 8));
        Assert.True(batches.Count <= 32, $"{batches.Count} batches for 64 calls");
    }

    [Fact]
    public async Task A_failing_member_fails_alone()
    {
        await using var batcher = new MicroBatcher<int, int>(
            b => b.Contains(3) ? throw new InvalidDataException("three") : b, _ => 0, 8, TimeSpan.FromMilliseconds(50));
        var calls = Enumerable.Range(0, 8).Select(v => batcher.RunAsync(v)).ToArray();
        for (var v = 0; v < 8; v++)
        {
            if (v == 3)
            {
                await Assert.ThrowsAsync<InvalidDataException>(() => calls[3]);
            }
            else
            {
                Assert.Equal(v, await calls[v]);
            }
        }
    }

    [Fact]
    public async Task A_cancelled_call_does_not_hold_up_others()
    {
        using var cancel = new CancellationTokenSource();
        await using var batcher = new MicroBatcher<int, int>(b => b, _ => 0, 8, TimeSpan.FromMilliseconds(50));
        var cancelled = batcher.RunAsync(1, cancel.Token);
        var other = batcher.RunAsync(2);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(2, await other);
    }

    [Fact]
    public async Task Closing_finishes_what_is_pending()
    {
        var batcher = new MicroBatcher<int, int>(b => b, _ => 0, 4, TimeSpan.FromMilliseconds(20));
        var calls = Enumerable.Range(0, 10).Select(v => batcher.RunAsync(v)).ToArray();
        await batcher.DisposeAsync();
        Assert.Equal(Enumerable.Range(0, 10), await Task.WhenAll(calls));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => batcher.RunAsync(1));
    }
}
