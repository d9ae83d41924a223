using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Failures;

namespace ImageSearch.Operator.Retries;

/// <param name="Body">New body as text; null to keep the old one.</param>
/// <param name="Headers">All headers as they shall be; null to keep the old ones. Locked headers must be as they were.</param>
public sealed record EditRequest(string? Body, JsonObject? Headers);

/// <summary>Checks and prepares an edited message.</summary>
public static class EditedRetry
{
    private static readonly string[] Locked = ["MT-", "x-", "imagesearch-", "traceparent", "tracestate", "publishId", "Content-Type"];

    /// <summary>Headers that the bus and the broker own.</summary>
    public static bool IsLocked(string header) => Locked.Any(l => header.StartsWith(l, StringComparison.OrdinalIgnoreCase));

    /// <returns>Body, headers and search text of the new message, or what is wrong with the edit.</returns>
    public static (byte[] Body, string Headers, string SearchText, string? Error) Apply(FailureDetail original, EditRequest edit)
    {
        var body = edit.Body is null ? original.Body : Encoding.UTF8.GetBytes(edit.Body);
        var old = JsonNode.Parse(original.Headers)!.AsObject();
        var headers = edit.Headers ?? old;
        return (body, headers.ToJsonString(), FailureReader.SearchText(body, original.Summary.ExceptionType, original.Summary.ExceptionMessage, original.Summary.FirstFrame, original.Summary.Endpoint,
            original.Summary.MessageType, original.Summary.ImageId, original.Summary.Bucket, original.Summary.Key), Error(body, original, old, headers));
    }

    private static string? Error(byte[] body, FailureDetail original, JsonObject old, JsonObject headers)
    {
        var changed = old.Select(h => h.Key).Union(headers.Select(h => h.Key)).FirstOrDefault(n => IsLocked(n) && !JsonNode.DeepEquals(old[n], headers[n]));
        if (changed is not null)
        {
            return $"Header {changed} is locked; it must stay as it was.";
        }

        if (body.AsSpan().SequenceEqual(original.Body) && JsonNode.DeepEquals(old, headers))
        {
            return "Nothing was changed; a plain retry does the same.";
        }

        try
        {
            using var json = JsonDocument.Parse(body);
            return null;
        }
        catch (JsonException e)
        {
            return $"The body is no JSON, so it would fail again: {e.Message}";
        }
    }
}
