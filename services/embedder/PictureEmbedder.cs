using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Inference;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ImageSearch.Embedder;

/// <summary>Bitstream in the store → vector under every live model in the catalogue → ImageEmbedded. Idempotent.</summary>
public sealed class PictureEmbedder(
    ObjectStore store, BitstreamCatalog bitstreams, EmbeddingCatalog embeddings, EmbeddingModels models, LicCodec codec, TimeProvider time, IOptions<EmbedderOptions> options)
{
    private static readonly System.Diagnostics.Metrics.Histogram<double> EmbedSeconds =
        ServiceDefaults.Meter.CreateHistogram<double>("imagesearch.embedder.embed", "s", "Time from the bitstream's bytes to the vector, waiting for a batch included.");

    /// <param name="model">One model, or null for all that are live.</param>
    /// <param name="force">Replace vectors that are there.</param>
    public async Task EmbedAsync(long image, ImageId id, string? model, bool force, IPublishEndpoint bus, CancellationToken ct)
    {
        var known = await embeddings.ModelsAsync(ct);
        var wanted = model is null
            ? known.Where(m => m.IsLive)
            : known.Where(m => m.Name == model);
        (Bitstream Row, byte[] Bytes)? stream = null;
        foreach (var m in wanted)
        {
            if (force || (await embeddings.PresentAsync(m.Id, [image], ct)).Count == 0)
            {
                stream ??= await ReadAsync(image, id, ct);
                if (stream is null)
                {
                    return;
                }

                var vector = await VectorAsync(models.Get(m.Name), stream.Value.Bytes, ct);
                if ((await embeddings.StoreAsync(m, [(image, vector)], ct)).Count == 0)
                {
                    return;
                }
            }

            await bus.PublishConfirmedAsync(new ImageEmbedded(image, id, m.Name, time.GetUtcNow()), ct);
        }
    }

    private async Task<float[]> VectorAsync(EmbeddingModel model, byte[] stream, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        using var activity = ServiceDefaults.Activities.StartActivity("embed picture");
        PictureEmbedding embedding;
        if (model.Source == EmbeddingSource.Latents)
        {
            var latents = codec.DecodeLatents(stream);
            embedding = await model.EmbedLatentsAsync(new(latents.Channels, latents.Height, latents.Width, latents.Values, latents.Space), ct);
        }
        else
        {
            embedding = await model.EmbedPictureAsync(codec.Decode(stream, ct), ct);
        }

        EmbedSeconds.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
        return embedding.Vector;
    }

    /// <summary>The image's present bitstream; null if the image is gone.</summary>
    private async Task<(Bitstream Row, byte[] Bytes)?> ReadAsync(long image, ImageId id, CancellationToken ct)
    {
        // The catalogue, not the message, says where the stream lies: the picture may have been encoded again since.
        if (await bitstreams.FindAsync(image, ct) is not { } row)
        {
            return await bitstreams.ExistsAsync(id, ct)
                ? throw new BitstreamMissingException($"Image {id} has no bitstream yet. Retry its encoding: ImageReprocessRequested with stage encode.")
                : null;
        }

        return await store.GetAsync(store.Options.DerivedBucket, row.Key, options.Value.MaxBytes, ct) is var (_, bytes)
            ? (row, bytes)
            : await bitstreams.ExistsAsync(id, ct)
                ? throw new BitstreamMissingException($"The store lacks {row.Key}, the bitstream of image {id}. An audit with repair encodes it again.")
                : null;
    }
}

/// <summary>The bitstream that a vector is made from is not there.</summary>
public sealed class BitstreamMissingException(string message) : Exception(message);
