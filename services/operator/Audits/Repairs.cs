using System.Text.Json;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Operator.Retries;
using MassTransit;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Audits;

/// <summary>
/// Repairs a finding by asking the service that owns the data to do its part again. Only objects that no image refers to are deleted here. What the
/// finding says is looked at again first, since the pipeline goes on meanwhile.
/// </summary>
public sealed class Repairs(
    IBus bus, RetryPublisher broker, ObjectStore store, AuditCatalog audits, BitstreamCatalog bitstreams, IOptions<OperatorOptions> options, TimeProvider time)
{
    /// <summary>Stage that a kind of finding is repaired by, and whether it must be done although its result seems to be there.</summary>
    private static readonly Dictionary<string, (string Stage, bool Force)> StageOf = new()
    {
        [FindingKinds.BitstreamMissing] = (Stages.Encode, false),
        [FindingKinds.BitstreamObjectMissing] = (Stages.Encode, true),
        [FindingKinds.BitstreamDamaged] = (Stages.Encode, true),
        [FindingKinds.ThumbnailMissing] = (Stages.Encode, true),
        [FindingKinds.VectorMissing] = (Stages.Embed, false),
        [FindingKinds.TextMissing] = (Stages.Caption, false),
        [FindingKinds.LexicalMissing] = (Stages.Caption, true),
    };

    /// <returns>What was done, for people.</returns>
    public async Task<string> RepairAsync(Finding f, CancellationToken ct)
    {
        if (StageOf.TryGetValue(f.Kind, out var work))
        {
            if (f.Kind == FindingKinds.VectorMissing && await bitstreams.FindAsync(f.Image!.Value, ct) is null)
            {
                return "follows when the bitstream is made";
            }

            await RequestAsync(f.Image!.Value, ImageId.Parse(f.ImageId!), work.Stage, f.Model, work.Force, ct);
            return $"asked for {work.Stage}";
        }

        switch (f.Kind)
        {
            case FindingKinds.UploadUnknown or FindingKinds.UploadChanged:
                await NotifyAsync(f.Bucket!, f.Key!, "ObjectCreated:Put", ct);
                return "told ingest that the object is there";
            case FindingKinds.UploadMissing:
                await NotifyAsync(f.Bucket!, f.Key!, "ObjectRemoved:Delete", ct);
                return "told ingest that the object is gone";
            case FindingKinds.DerivedOrphan:
                return await DeleteOrphanAsync(f.Key!, ct);
            default:
                return "nothing: a person must look at it";
        }
    }

    /// <summary>Asks for a stage of an image.</summary>
    public Task RequestAsync(long image, ImageId id, string stage, string? model, bool force, CancellationToken ct) =>
        bus.PublishConfirmedAsync(new ImageReprocessRequested(image, id, stage, model, force, time.GetUtcNow()), ct);

    // The form of Ceph's notifications: eventSource ceph:s3 means that the key is written as it is, without percent signs.
    private async Task NotifyAsync(string bucket, string key, string name, CancellationToken ct)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new
        {
            Records = new[]
            {
                new { eventVersion = "2.2", eventSource = "ceph:s3", eventTime = time.GetUtcNow(), eventName = name, s3 = new { bucket = new { name = bucket }, @object = new { key } } },
            },
        });
        await using var channel = await broker.OpenAsync(ct);
        await channel.BasicPublishAsync(Queues.S3EventsExchange, "imagesearch.audit", mandatory: true, new BasicProperties { Persistent = true }, body, ct);
    }

    private async Task<string> DeleteOrphanAsync(string key, CancellationToken ct)
    {
        var id = ObjectKeys.ImageOf(key)!.Value;
        await using var alone = await bitstreams.LockAsync(id, ct);
        if ((await audits.DerivedKeysAsync([id], ct)).TryGetValue(id.Hex, out var keys) && (keys.Key == key || keys.Thumbnail == key))
        {
            return "nothing: an image refers to it now";
        }

        if (await store.HeadAsync(store.Options.DerivedBucket, key, ct) is not { } found)
        {
            return "nothing: it is gone";
        }

        if (time.GetUtcNow() - found.LastModified < options.Value.OrphanAge)
        {
            return $"nothing yet: it is younger than {options.Value.OrphanAge}";
        }

        await store.DeleteAsync(store.Options.DerivedBucket, key, ct);
        return "deleted";
    }
}
