using System.Text.Json;
using ImageSearch.Contracts;

namespace ImageSearch.Operator.Failures;

/// <summary>What a message says about itself and its picture; all null if the body is not of a known form.</summary>
public sealed record MessageFacts(string? MessageId, string? Type, long? Image, ImageId? Id, string? Bucket, string? Key, string? Activity)
{
    private static readonly MessageFacts None = new(null, null, null, null, null, null, null);

    /// <summary>Reads MassTransit's envelope or an S3 event.</summary>
    public static MessageFacts Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement switch
            {
                { ValueKind: JsonValueKind.Object } root when Child(root, "Records") is { ValueKind: JsonValueKind.Array } records => OfS3Event(records),
                { ValueKind: JsonValueKind.Object } root => OfEnvelope(root),
                _ => None,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // No JSON, or text in it that is no Unicode; the body itself is kept.
            return None;
        }
    }

    private static MessageFacts OfEnvelope(JsonElement root)
    {
        var types = Child(root, "messageType");
        var type = types is { ValueKind: JsonValueKind.Array } && types.Value.GetArrayLength() > 0 && types.Value[0].ValueKind == JsonValueKind.String ? types.Value[0].GetString() : null;
        var message = Child(root, "message");
        var id = ImageId.TryParse(Text(message, "id"), out var image) ? image : (ImageId?)null;
        var number = Child(message, "image") is { ValueKind: JsonValueKind.Number } n && n.TryGetInt64(out var l) ? l : (long?)null;
        return new(Text(root, "messageId"), Store(FailureReader.ShortType(type)), number, id, Text(message, "bucket"), Text(message, "key"), Text(Child(root, "headers"), "MT-Activity-Id"));
    }

    private static MessageFacts OfS3Event(JsonElement records)
    {
        var s3 = records.GetArrayLength() > 0 ? Child(records[0], "s3") : null;
        var key = Text(Child(s3, "object"), "key");

        // AWS and MinIO write keys as in a form (percent signs, plus for space), Ceph as they are.
        var plain = records.GetArrayLength() > 0 && Text(records[0], "eventSource") == "ceph:s3";
        return new(null, "S3 event", null, null, Text(Child(s3, "bucket"), "name"), plain || key is null ? key : Store(Uri.UnescapeDataString(key.Replace('+', ' '))), null);
    }

    private static JsonElement? Child(JsonElement? parent, string name)
    {
        if (parent is { ValueKind: JsonValueKind.Object } p)
        {
            foreach (var property in p.EnumerateObject())
            {
                if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return property.Value;
                }
            }
        }

        return null;
    }

    private static string? Text(JsonElement? parent, string name) =>
        Child(parent, name) is { ValueKind: JsonValueKind.String } text ? Store(text.GetString()) : null;

    private static string? Store(string? text) => text is null ? null : HeaderJson.Storable(text.Length > 2048 ? text[..2048] : text);
}
