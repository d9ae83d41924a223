using System.Security.Cryptography;
using ImageSearch.Catalog.Operations;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Models;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Audits;

/// <summary>Compares, page by page, what lies in the object store with what the catalogue says. Nothing is loaded whole.</summary>
public sealed class StoreAudit(AuditCatalog catalog, ObjectStore store, IOptions<ModelsOptions> models, TimeProvider time) : IDisposable
{
    private const int PageSize = 1000;
    private const int DeepPageSize = 32;

    private readonly Lazy<LicCodec> codec = new(() => LicCodec.Open(models.Value));

    /// <summary>Findings of one page, the cursor of the next (null: the phase is over), and how many things were compared.</summary>
    public sealed record Page(IReadOnlyList<NewFinding> Findings, string? Next, int Checked);

    /// <summary>Upload bucket against registered and rejected keys.</summary>
    public async Task<Page> UploadsAsync(string after, TimeSpan grace, CancellationToken ct)
    {
        var bucket = store.Options.UploadBucket;
        var before = time.GetUtcNow() - grace;
        var listed = await ListAsync(bucket, null, after, ct);
        var merged = MergedPage<(string Key, string ETag, long? Image, byte[]? Sha256, DateTimeOffset SeenAt)>.Of(listed, await catalog.UploadsAsync(bucket, after, PageSize, ct), u => u.Key, PageSize);
        List<NewFinding> findings = [];
        findings.AddRange(merged.OnlyStored.Where(o => o.LastModified < before && !o.Key.EndsWith('/')).Select(o =>
            new NewFinding(FindingKinds.UploadUnknown, $"{o.Bytes:N0} bytes of {o.LastModified:u} that were never registered or refused", Bucket: bucket, Key: o.Key)));
        findings.AddRange(merged.OnlyKnown.Where(u => u.SeenAt < before).Select(u =>
            new NewFinding(FindingKinds.UploadMissing, "registered, but gone from the store", u.Image, u.Sha256, bucket, u.Key)));
        findings.AddRange(merged.Both.Where(b => b.Stored.ETag != b.Known.ETag && b.Stored.LastModified < before).Select(b =>
            new NewFinding(FindingKinds.UploadChanged, $"the store has other content (ETag {b.Stored.ETag}) than was registered ({b.Known.ETag})", b.Known.Image, b.Known.Sha256, bucket, b.Stored.Key)));
        return new(findings, merged.Next, merged.Count);
    }

    /// <summary>Bitstreams in the derived bucket against the catalogue.</summary>
    public async Task<Page> BitstreamsAsync(string after, TimeSpan grace, CancellationToken ct)
    {
        var listed = await ListAsync(store.Options.DerivedBucket, ObjectKeys.BitstreamPrefix, after, ct);
        var merged = MergedPage<AuditedBitstream>.Of(listed, await catalog.BitstreamsByKeyAsync(after, PageSize, ct), b => b.Key, PageSize);
        var before = time.GetUtcNow() - grace;
        List<NewFinding> findings = [.. await OrphansAsync(merged.OnlyStored, before, ct)];
        findings.AddRange(merged.OnlyKnown.Where(b => b.CreatedAt < before).Select(b => Of(FindingKinds.BitstreamObjectMissing, b, b.Key, "in the catalogue, but not in the store")));
        findings.AddRange(merged.Both.Where(b => b.Stored.Bytes != b.Known.Bytes && b.Known.CreatedAt < before).Select(b =>
            Of(FindingKinds.BitstreamDamaged, b.Known, b.Known.Key, $"{b.Stored.Bytes:N0} bytes in the store instead of {b.Known.Bytes:N0}")));
        return new(findings, merged.Next, merged.Count);
    }

    /// <summary>Thumbnails in the derived bucket against the catalogue.</summary>
    public async Task<Page> ThumbnailsAsync(string after, TimeSpan grace, CancellationToken ct)
    {
        var listed = await ListAsync(store.Options.DerivedBucket, ObjectKeys.ThumbnailPrefix, after, ct);
        var known = await catalog.BitstreamsByIdAsync(ObjectKeys.ImageOf(after)?.ToBytes() ?? [], PageSize, ct);
        var merged = MergedPage<AuditedBitstream>.Of(listed, known, b => b.ThumbnailKey, PageSize);
        var before = time.GetUtcNow() - grace;
        List<NewFinding> findings = [.. await OrphansAsync(merged.OnlyStored, before, ct)];
        findings.AddRange(merged.OnlyKnown.Where(b => b.CreatedAt < before).Select(b => Of(FindingKinds.ThumbnailMissing, b, b.ThumbnailKey, "in the catalogue, but not in the store")));
        return new(findings, merged.Next, merged.Count);
    }

    /// <summary>Reads every bitstream: SHA-256 against the catalogue, then the symbols of every section are decoded.</summary>
    public async Task<Page> DeepAsync(string after, CancellationToken ct)
    {
        var page = await catalog.BitstreamsByKeyAsync(after, DeepPageSize, ct);
        List<NewFinding> findings = [];
        foreach (var b in page)
        {
            // Missing objects are the business of the phase before.
            if (await store.GetAsync(store.Options.DerivedBucket, b.Key, ct: ct) is { } read && Damage(b, read.Content, ct) is { } damage)
            {
                findings.Add(Of(FindingKinds.BitstreamDamaged, b, b.Key, damage));
            }
        }

        return new(findings, page.Count == DeepPageSize ? page[^1].Key : null, page.Count);
    }

    public void Dispose()
    {
        if (codec.IsValueCreated)
        {
            codec.Value.Dispose();
        }
    }

    private string? Damage(AuditedBitstream b, byte[] content, CancellationToken ct)
    {
        if (!SHA256.HashData(content).AsSpan().SequenceEqual(b.Sha256))
        {
            return "its SHA-256 is not that of the catalogue";
        }

        try
        {
            codec.Value.Verify(content, ct);
            return null;
        }
        catch (LicFormatException e) when (e.Reason != LicError.UnknownModel)
        {
            return $"it does not decode: {e.Message}";
        }
    }

    private static NewFinding Of(string kind, AuditedBitstream b, string key, string detail) => new(kind, detail, b.Image, b.ImageSha256, Key: key);

    private async Task<IEnumerable<NewFinding>> OrphansAsync(IReadOnlyList<StoredObject> unknown, DateTimeOffset before, CancellationToken ct)
    {
        var old = unknown.Where(o => o.LastModified < before).Select(o => (Object: o, Image: ObjectKeys.ImageOf(o.Key))).ToList();
        var present = old.Count == 0 ? new Dictionary<string, (string Key, string Thumbnail)>() : await catalog.DerivedKeysAsync(old.Where(o => o.Image is not null).Select(o => o.Image!.Value), ct);
        return old
            .Where(o => o.Image is not { } id || !present.TryGetValue(id.Hex, out var keys) || (keys.Key != o.Object.Key && keys.Thumbnail != o.Object.Key))
            .Select(o => o.Image is { } id
                ? new NewFinding(FindingKinds.DerivedOrphan, present.ContainsKey(id.Hex) ? "a later object has taken its place" : "its image has no bitstream in the catalogue", Sha256: id.ToBytes(), Key: o.Object.Key)
                : new NewFinding(FindingKinds.DerivedForeign, "not a name that the services give", Key: o.Object.Key));
    }

    private async Task<List<StoredObject>> ListAsync(string bucket, string? prefix, string after, CancellationToken ct)
    {
        List<StoredObject> page = [];
        await foreach (var o in store.ListAsync(bucket, prefix, after.Length == 0 ? null : after, ct))
        {
            page.Add(o);
            if (page.Count == PageSize)
            {
                break;
            }
        }

        return page;
    }
}
