using ImageSearch.Catalog;
using ImageSearch.Contracts;
using MassTransit;

namespace ImageSearch.Ingest;

/// <summary>
/// A header can be sound and the pixels not: the codec then reports the key, and every key with the same bytes is refused.
/// Ingest's own reports come back here too and change nothing.
/// </summary>
public sealed class RejectedLaterConsumer(ImageCatalog catalog, ObjectSync sync) : IConsumer<ImageRejected>
{
    public async Task Consume(ConsumeContext<ImageRejected> context)
    {
        var (message, ct) = (context.Message, context.CancellationToken);
        if (await catalog.FindObjectAsync(message.Bucket, message.Key, ct) is not { } known)
        {
            return;
        }

        foreach (var (_, key, etag) in await catalog.KeysOfAsync(known.Id, ct))
        {
            await sync.RejectAsync(key, etag, message.Code, message.Reason, ct);
        }
    }
}
