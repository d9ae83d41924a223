using System.Diagnostics;
using System.Security.Cryptography;
using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using ImageSearch.Models;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ImageSearch.Codec;

/// <summary>Original in the store → bitstream and thumbnail in the store → row in the catalogue → ImageEncoded. Idempotent by content.</summary>
public sealed class PictureEncoder(
    ObjectStore store, ImageCatalog images, BitstreamCatalog bitstreams, LicCodec codec, PixelBudget budget, TimeProvider time,
    IOptions<CodecOptions> options, IOptions<ModelsOptions> models, ILogger<PictureEncoder> log)
{
    private static readonly System.Diagnostics.Metrics.Histogram<double> EncodeSeconds =
        ServiceDefaults.Meter.CreateHistogram<double>("imagesearch.codec.encode", "s", "Time to encode and verify one picture.");

    // What may come in is ingest's to say; here stands only what the codec can do.
    private readonly ImageLimits limits = new(MaxBytes: options.Value.MaxBytes, MaxPixels: LicCodec.MaxPixels, MaxFrames: int.MaxValue);

    /// <param name="force">Encode again although a bitstream of the configured model and quality is there.</param>
    public async Task EncodeAsync(long image, ImageId id, bool force, IPublishEndpoint bus, CancellationToken ct)
    {
        var settings = options.Value;
        var present = await bitstreams.FindAsync(image, ct);
        if (present is not null && !force)
        {
            // Said again because the process may have died between storing and publishing.
            await bus.PublishConfirmedAsync(new ImageEncoded(image, id, present.Key, time.GetUtcNow()), ct);
            return;
        }

        if (await FindOriginalAsync(id, ct) is not var (bucket, key, content) || content is null)
        {
            return;
        }

        Bitstream encoded;
        try
        {
            var info = ImageFiles.Probe(content, limits);
            using var lease = await budget.EnterAsync((long)info.Width * info.Height, ct);
            using var activity = ServiceDefaults.Activities.StartActivity("encode picture");
            var picture = ImageFiles.Decode(content, limits);
            var started = Stopwatch.GetTimestamp();
            var stream = codec.Encode(picture, settings.Quality, verify: true, ct);
            var elapsed = Stopwatch.GetElapsedTime(started);
            EncodeSeconds.Record(elapsed.TotalSeconds);
            var thumbnail = ImageFiles.Encode(picture.FitWithin(settings.ThumbnailLongestSide), ImageFormat.WebP, 78);
            encoded = new(image, models.Value.Codec, settings.Quality, ObjectKeys.Bitstream(id, models.Value.Codec, settings.Quality),
                stream.Length, SHA256.HashData(stream), ObjectKeys.Thumbnail(id), (float)elapsed.TotalMilliseconds);

            // The lock keeps a removal of the same content from deleting what is being put.
            await using var held = await bitstreams.LockAsync(id, ct);
            await store.PutAsync(store.Options.DerivedBucket, encoded.Key, stream, "application/vnd.imagesearch.lic", ct);
            await store.PutAsync(store.Options.DerivedBucket, encoded.ThumbnailKey, thumbnail, "image/webp", ct);
            var (stored, replaced) = await bitstreams.StoreAsync(encoded, ct);
            if (!stored)
            {
                log.LogInformation("{Image} was removed while it was encoded.", id);
                if (!await bitstreams.ExistsAsync(id, ct))
                {
                    await DeleteDerivedAsync(id, ct);
                }

                return;
            }

            if (replaced is not null)
            {
                await store.DeleteAsync(store.Options.DerivedBucket, replaced, ct);
            }
        }
        catch (PictureException e)
        {
            await bus.PublishConfirmedAsync(new ImageRejected(bucket, key, e.Code.ToString(), e.Message, time.GetUtcNow()), ct);
            return;
        }

        await bus.PublishConfirmedAsync(new ImageEncoded(image, id, encoded.Key, time.GetUtcNow()), ct);
    }

    /// <summary>Deletes bitstreams and thumbnail of content that is gone, unless it has come back meanwhile.</summary>
    public async Task RemoveAsync(ImageId id, CancellationToken ct)
    {
        await using var held = await bitstreams.LockAsync(id, ct);
        if (!await bitstreams.ExistsAsync(id, ct))
        {
            await DeleteDerivedAsync(id, ct);
        }
    }

    private async Task DeleteDerivedAsync(ImageId id, CancellationToken ct)
    {
        var bucket = store.Options.DerivedBucket;
        await foreach (var o in store.ListAsync(bucket, $"{ObjectKeys.BitstreamPrefix}{id.Hex[..2]}/{id.Hex}/", ct: ct))
        {
            await store.DeleteAsync(bucket, o.Key, ct);
        }

        await store.DeleteAsync(bucket, ObjectKeys.Thumbnail(id), ct);
    }

    /// <summary>The bytes of the image under any of its keys; null if the image is gone from the catalogue.</summary>
    /// <exception cref="OriginalMissingException">The catalogue has keys but none of them holds these bytes now; ingest has not caught up yet.</exception>
    private async Task<(string Bucket, string Key, byte[] Content)?> FindOriginalAsync(ImageId id, CancellationToken ct)
    {
        var keys = await images.KeysOfAsync(id, ct);
        foreach (var (bucket, key, _) in keys)
        {
            if (await store.GetAsync(bucket, key, options.Value.MaxBytes, ct) is var (_, content) && ImageId.Of(content) == id)
            {
                return (bucket, key, content);
            }
        }

        return keys.Count == 0 ? null : throw new OriginalMissingException(id, keys[0].Key);
    }
}

/// <summary>The store no longer holds the bytes that the catalogue names.</summary>
public sealed class OriginalMissingException(ImageId id, string key)
    : Exception($"No key holds the bytes of image {id} any more (it was registered as {key}). If the object was just changed or deleted, the next reconciliation forgets it; then retry is needless.");
