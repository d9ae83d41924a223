using ImageSearch.Hosting;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ImageSearch.Ingest.S3Events;

/// <summary>An event is only a hint that something about a key changed; what is true is looked up in the store.</summary>
public sealed class S3EventConsumer(ObjectSync sync, IOptions<ObjectStoreOptions> store, ILogger<S3EventConsumer> log) : IConsumer<S3EventNotification>
{
    public async Task Consume(ConsumeContext<S3EventNotification> context)
    {
        if (context.Message.Records is not { } records)
        {
            // MinIO and AWS announce a new configuration with {"Event":"s3:TestEvent"}.
            log.LogDebug("A notification without records was ignored.");
            return;
        }

        foreach (var location in records.Where(r => r.ChangesContent()).Select(r => r.Location()).Distinct())
        {
            if (location.Bucket == store.Value.UploadBucket)
            {
                await sync.SyncAsync(location.Key, context.CancellationToken);
            }
        }
    }
}
