using System.Threading.Channels;
using ImageSearch.Catalog.Operations;

namespace ImageSearch.Operator.Timeline;

/// <summary>Collects events of many messages into one statement. A caller returns when its event is committed.</summary>
public sealed class TimelineWriter(StageEventCatalog events) : BackgroundService
{
    private const int Largest = 500;

    private readonly Channel<(StageEvent Event, TaskCompletionSource Done)> queue = Channel.CreateUnbounded<(StageEvent, TaskCompletionSource)>(new() { SingleReader = true });

    public async Task StoreAsync(StageEvent e, CancellationToken ct)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await queue.Writer.WriteAsync((e, done), ct);
        await done.Task.WaitAsync(ct);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        List<(StageEvent Event, TaskCompletionSource Done)> batch = [];
        while (await queue.Reader.WaitToReadAsync(stoppingToken))
        {
            while (batch.Count < Largest && queue.Reader.TryRead(out var item))
            {
                batch.Add(item);
            }

            try
            {
                await events.StoreAsync([.. batch.Select(b => b.Event).DistinctBy(e => e.MessageId)], stoppingToken);
                batch.ForEach(b => b.Done.TrySetResult());
            }
            catch (Exception e)
            {
                batch.ForEach(b => b.Done.TrySetException(e));
            }

            batch.Clear();
        }
    }
}
