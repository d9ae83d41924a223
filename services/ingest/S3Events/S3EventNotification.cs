using System.Text.Json.Serialization;

namespace ImageSearch.Ingest.S3Events;

/// <summary>
/// The event message of S3 bucket notifications (AWS "Event message structure", versions 2.x), as Ceph, MinIO and AWS send it. Only what is used here.
/// </summary>
public sealed record S3EventNotification
{
    [JsonPropertyName("Records")]
    public IReadOnlyList<S3EventRecord>? Records { get; init; }
}

public sealed record S3EventRecord
{
    [JsonPropertyName("eventSource")]
    public string? EventSource { get; init; }

    [JsonPropertyName("eventName")]
    public string? EventName { get; init; }

    [JsonPropertyName("s3")]
    public S3Entity? S3 { get; init; }

    /// <summary>Bucket and key that the record is about.</summary>
    /// <exception cref="FormatException">The record names none.</exception>
    public (string Bucket, string Key) Location()
    {
        var bucket = S3?.Bucket?.Name;
        var key = S3?.Object?.Key;
        if (string.IsNullOrEmpty(bucket) || string.IsNullOrEmpty(key))
        {
            throw new FormatException($"An S3 event ({EventName ?? "without a name"}) names no bucket or no key; expected s3.bucket.name and s3.object.key.");
        }

        // Ceph sends the key as it is; AWS and MinIO send it form-encoded ('+' is a space).
        return (bucket, EventSource?.StartsWith("ceph:", StringComparison.Ordinal) == true ? key : Uri.UnescapeDataString(key.Replace('+', ' ')));
    }

    /// <summary>True for creations and removals, with or without the <c>s3:</c> prefix; other kinds (tags, restores, ...) change no content.</summary>
    public bool ChangesContent()
    {
        var name = EventName.AsSpan();
        name = name.StartsWith("s3:") ? name[3..] : name;
        return name.StartsWith("ObjectCreated") || name.StartsWith("ObjectRemoved") || name.StartsWith("ObjectLifecycle:Expiration") || name.StartsWith("LifecycleExpiration");
    }
}

public sealed record S3Entity
{
    [JsonPropertyName("bucket")]
    public S3Bucket? Bucket { get; init; }

    [JsonPropertyName("object")]
    public S3Object? Object { get; init; }
}

public sealed record S3Bucket([property: JsonPropertyName("name")] string? Name);

public sealed record S3Object([property: JsonPropertyName("key")] string? Key);
