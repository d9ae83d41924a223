using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using MassTransit;

namespace ImageSearch.Captioner;

/// <summary>The catalogue has the image, the store has none of its originals: a deletion that ingest has not seen yet, or a loss.</summary>
public sealed class OriginalMissingException(string message) : Exception(message);

/// <summary>
/// Original in the store → texts and lexical index, in one transaction → ImageCaptioned. Idempotent: texts of the present captioner and version
/// are kept unless forced, and old texts serve until the new ones are committed.
/// </summary>
public sealed class PictureCaptioner(
    ImageCatalog images, BitstreamCatalog bitstreams, CaptionCatalog captions, LexicalIndex lexical, ObjectStore store, ICaptioner captioner, OutagePause pause, TimeProvider time)
{
    /// <summary>Behind all others of the queue, as a message of its own: the broker's delivery count begins anew.</summary>
    private static readonly Uri EndOfQueue = new($"exchange:{Queues.Captioner}");

    public async Task CaptionAsync<T>(ConsumeContext<T> context, long image, ImageId id, bool force)
        where T : class
    {
        var present = false;
        var outcome = await pause.RunAsync(async ct => present = await CaptionAsync(image, id, force, ct), context.CancellationToken);
        if (outcome == PauseOutcome.Requeue)
        {
            await context.Forward(EndOfQueue);
        }
        else if (present)
        {
            // Also when the texts were there before: the process may have ended between storing and publishing.
            await context.PublishConfirmedAsync(new ImageCaptioned(image, id, captioner.Name, time.GetUtcNow()), context.CancellationToken);
        }
    }

    /// <returns>False if the image is gone, or will be because it cannot be decoded.</returns>
    private async Task<bool> CaptionAsync(long image, ImageId id, bool force, CancellationToken ct)
    {
        var keys = await images.KeysOfAsync(id, ct);
        if (keys.Count == 0)
        {
            return false;
        }

        var words = keys.Select(k => k.Key).ToArray();
        if (!force && await captions.FindAsync(image, ct) is { } present && present.Captioner == captioner.Name && present.PromptVersion == captioner.Version)
        {
            // With one key there is nothing new to say; a further one brings its words.
            return keys.Count == 1 || await StoreAsync(present, words, ct);
        }

        if (await OriginalAsync(id, keys.Select(k => (k.Bucket, k.Key)), ct) is not var (original, description))
        {
            return (await images.KeysOfAsync(id, ct)).Count == 0 ? false : throw new OriginalMissingException(
                $"The store lacks image {id} under {keys[0].Bucket}/{keys[0].Key}{(keys.Count > 1 ? $" and {keys.Count - 1} more keys" : "")}. If it was deleted there, reconciliation removes it from the catalogue.");
        }

        using var activity = ServiceDefaults.Activities.StartActivity("caption picture")?.SetTag("captioner", captioner.Name);
        var clock = Stopwatch.StartNew();
        IReadOnlyList<RegionText> texts;
        try
        {
            texts = await captioner.CaptionAsync(original, ct);
        }
        catch (PictureException)
        {
            if (await bitstreams.FindAsync(image, ct) is not null)
            {
                throw;
            }

            // Codec decodes the same bytes and rejects the picture; it may be behind. Should it succeed where this did not, audit finds the texts missing.
            return false;
        }

        var by = new KeyValuePair<string, object?>("captioner", captioner.Name);
        CaptionMetrics.Duration.Record(clock.Elapsed.TotalSeconds, by);
        if (!await StoreAsync(new(image, captioner.Name, captioner.Version, ImageText.WithDescription(texts, description)), words, ct))
        {
            return false;
        }

        CaptionMetrics.Pictures.Add(1, by);
        return true;
    }

    private Task<bool> StoreAsync(ImageTexts texts, string[] keys, CancellationToken ct) => captions.StoreAsync(
        texts, (connection, transaction) => lexical.SetDocumentAsync(connection, transaction, texts.Image, ImageText.Document(texts.Regions, keys), ct), ct);

    /// <summary>The first of the keys that still holds these very bytes: a key may have been overwritten with another picture since.</summary>
    private async Task<(byte[] Content, string? Description)?> OriginalAsync(ImageId id, IEnumerable<(string Bucket, string Key)> keys, CancellationToken ct)
    {
        foreach (var (bucket, key) in keys)
        {
            if (await store.GetAsync(bucket, key, ct: ct) is var (o, content) && ImageId.Of(content) == id)
            {
                return (content, o.Description);
            }
        }

        return null;
    }
}
