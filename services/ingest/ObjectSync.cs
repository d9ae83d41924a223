using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ImageSearch.Ingest;

/// <summary>What became of one key.</summary>
public enum SyncResult
{
    /// <summary>The key holds a picture that nobody had before.</summary>
    Registered,

    /// <summary>The key is new, its content was known.</summary>
    Duplicate,

    /// <summary>Nothing had changed.</summary>
    Known,

    Rejected,
    Removed,
}

/// <summary>
/// Brings the catalogue to what the store holds under one key, and tells the pipeline. Depends on the store's state only, not on the
/// order or the number of events: doing it twice, late or out of order ends the same.
/// </summary>
public sealed class ObjectSync(
    ObjectStore store, ImageCatalog catalog, IPublishEndpoint bus, TimeProvider time, IOptions<IngestOptions> options, ILogger<ObjectSync> log)
{
    private readonly ImageLimits limits = new()
    {
        MaxBytes = options.Value.MaxBytes,
        MaxPixels = options.Value.MaxPixels,
        MaxFrames = options.Value.MaxFrames,
    };

    private string Bucket => store.Options.UploadBucket;

    public async Task<SyncResult> SyncAsync(string key, CancellationToken ct = default)
    {
        using var activity = ServiceDefaults.Activities.StartActivity("ingest object")?.SetTag("s3.key", key);
        var head = await store.HeadAsync(Bucket, key, ct);
        if (head is null)
        {
            await PublishRemovedAsync(await catalog.RemoveObjectAsync(Bucket, key, ct), ct);
            return SyncResult.Removed;
        }

        if (await catalog.FindObjectAsync(Bucket, key, ct) is { } known && known.ETag == head.ETag)
        {
            if (!known.Complete)
            {
                // A crash between registering and publishing, or a worker that lost a message: saying it again is harmless.
                await bus.PublishConfirmedAsync(new ImageIngested(known.Image, known.Id, Bucket, key, time.GetUtcNow()), ct);
            }

            return SyncResult.Known;
        }

        if (await catalog.FindRejectionAsync(Bucket, key, ct) is { } rejection && rejection.ETag == head.ETag)
        {
            return SyncResult.Rejected;
        }

        return await TakeAsync(key, head, ct);
    }

    /// <summary>Refuses every key that holds this content.</summary>
    public async Task RejectAsync(string key, string etag, string code, string reason, CancellationToken ct)
    {
        log.LogInformation("{Key} was rejected ({Code}): {Reason}", key, code, reason);
        var removed = await catalog.RejectAsync(Bucket, key, etag, code, reason, ct);
        await bus.PublishConfirmedAsync(new ImageRejected(Bucket, key, code, reason, time.GetUtcNow()), ct);
        await PublishRemovedAsync(removed, ct);
    }

    /// <summary>Publishes removals that an earlier process committed but did not announce.</summary>
    public async Task PublishPendingRemovalsAsync(CancellationToken ct)
    {
        foreach (var removed in await catalog.PendingRemovalsAsync(ct))
        {
            await PublishRemovedAsync(removed, ct);
        }
    }

    private async Task<SyncResult> TakeAsync(string key, StoredObject head, CancellationToken ct)
    {
        NewImage image;
        string etag = head.ETag;
        try
        {
            var limit = options.Value.MaxBytes;
            if (await store.ReadAsync(Bucket, key, limit, (stream, _) => TemporaryFile.ReadAsync(stream, options.Value.TemporaryFolder, limit, ct), ct) is not var (stored, file) || stored is null)
            {
                return await SyncAsync(key, ct);
            }

            using var held = file ?? throw new ObjectTooLargeException(key, stored.Bytes, limit);
            etag = stored.ETag;
            if (held.Length != stored.Bytes)
            {
                throw new EndOfStreamException($"The store sent {held.Length:N0} of the {stored.Bytes:N0} bytes of {key}.");
            }

            var info = held.Probe(limits);
            image = new(held.Id, info.Format.ToString().ToLowerInvariant(), info.Width, info.Height, held.Length, info.TakenAt);
        }
        catch (PictureException e)
        {
            await RejectAsync(key, etag, e.Code.ToString(), e.Message, ct);
            return SyncResult.Rejected;
        }
        catch (ObjectTooLargeException e)
        {
            await RejectAsync(key, etag, nameof(PictureError.TooLarge), e.Message + " Store a smaller file, or raise Ingest:MaxBytes.", ct);
            return SyncResult.Rejected;
        }

        var (id, isNew, removed) = await catalog.RegisterAsync(Bucket, key, etag, image, ct);
        await bus.PublishConfirmedAsync(new ImageIngested(id, image.Id, Bucket, key, time.GetUtcNow()), ct);
        await PublishRemovedAsync(removed, ct);
        return isNew ? SyncResult.Registered : SyncResult.Duplicate;
    }

    private async Task PublishRemovedAsync(RemovedImage? removed, CancellationToken ct)
    {
        if (removed is { } r)
        {
            await bus.PublishConfirmedAsync(new ImageRemoved(r.Image, r.Id, time.GetUtcNow()), ct);
            await catalog.RemovalPublishedAsync(r.Image, ct);
        }
    }
}
