using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Failures;

/// <summary>Reads what an error queue delivers. Whatever the message holds, it becomes a row: nothing here throws on content.</summary>
public sealed partial class FailureReader(IReadOnlyList<string> transientExceptions)
{
    /// <summary>Header that ties a message that is sent again to its failure.</summary>
    public const string RetryOfHeader = "imagesearch-retry-of";

    private const int ExcerptBytes = 4096;
    private const int LongestText = 32 * 1024;

    /// <param name="queue">The queue it was taken from.</param>
    /// <param name="now">Time of failure where the message tells none.</param>
    public NewFailure Read(string queue, byte[] body, IReadOnlyBasicProperties properties, bool redelivered, DateTimeOffset now)
    {
        var headers = HeaderJson.ToJson(properties.Headers);
        var message = MessageFacts.Read(body);
        var messageId = Clean(properties.MessageId) ?? message.MessageId;
        var (exception, reason, stack) = Cause(queue, headers, message);
        var frame = FirstFrame(stack);
        var endpoint = Endpoint(queue, headers);
        var time = HeaderJson.Text(headers, "MT-Fault-Timestamp") ?? FirstDeath(headers);
        var failedAt = DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at <= now.AddMinutes(5) ? at : now;
        var type = message.Type ?? ShortType(HeaderJson.Text(headers, "MT-Fault-MessageType"));
        return new(
            DeliveryKey(queue, messageId, time, HeaderJson.Text(headers, RetryOfHeader), body), messageId is not null || time is not null, redelivered,
            long.TryParse(HeaderJson.Text(headers, RetryOfHeader), NumberStyles.None, CultureInfo.InvariantCulture, out var retryOf) ? retryOf : null,
            endpoint, queue, messageId, type, exception, reason, stack, frame, GroupKey(exception, frame), IsTransient(exception),
            message.Image, message.Id?.ToBytes(), message.Bucket, message.Key, TraceId(headers, message),
            Properties(properties).ToJsonString(), headers.ToJsonString(), body,
            SearchText(body, exception, reason, frame, endpoint, type, message.Id?.Hex, message.Image?.ToString(CultureInfo.InvariantCulture), message.Bucket, message.Key, messageId), failedAt);
    }

    /// <summary>First stack frame of our own code, without arguments, file and line; else the first frame of all; else empty.</summary>
    public static string FirstFrame(string stack)
    {
        var match = OwnFrame().Match(stack);
        match = match.Success ? match : AnyFrame().Match(stack);
        return match.Success ? match.Groups[1].Value : "";
    }

    public static string GroupKey(string exception, string frame) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{exception}\n{frame}")))[..16];

    /// <summary>What free words of a search look at: facts first, then the start of the body.</summary>
    public static string SearchText(byte[] body, params string?[] facts) =>
        HeaderJson.Storable(string.Join('\n', facts.Where(f => f is not null)).ToLowerInvariant() + "\n" + FailureSearch.BodyMark
            + Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, ExcerptBytes))).Replace(FailureSearch.BodyMark, ' ').ToLowerInvariant());

    private bool IsTransient(string exception) =>
        transientExceptions.Any(t => t.EndsWith('.') ? exception.StartsWith(t, StringComparison.Ordinal) : exception == t);

    private static (string Exception, string Message, string Stack) Cause(string queue, JsonObject headers, MessageFacts message)
    {
        if (HeaderJson.Text(headers, "MT-Fault-ExceptionType") is { } exception)
        {
            return (exception, Clip(HeaderJson.Text(headers, "MT-Fault-Message") ?? ""), Clip(HeaderJson.Text(headers, "MT-Fault-StackTrace") ?? ""));
        }

        if (queue == Queues.DeadLetters)
        {
            var from = HeaderJson.Text(headers, "x-first-death-queue") ?? "an unknown queue";
            var why = HeaderJson.Text(headers, "x-first-death-reason") switch
            {
                "delivery_limit" => "was handed out more often than the queue allows without an answer: a worker dies or hangs on it, or none could stay connected",
                "expired" => "expired before a worker took it",
                "rejected" => "was rejected by a worker",
                "maxlen" => "did not fit into the queue",
                var other => $"was given up by the broker ({other ?? "no reason told"})",
            };
            return ("DeadLettered", $"The message in {from} {why}.", "");
        }

        return queue.EndsWith("_skipped", StringComparison.Ordinal)
            ? ("Skipped", $"No consumer of {queue[..^"_skipped".Length]} takes messages of type {message.Type ?? "unknown"}.", "")
            : ("Unknown", "The message lay in the error queue without a word about its failure.", "");
    }

    private static string Endpoint(string queue, JsonObject headers)
    {
        var name = queue == Queues.DeadLetters ? HeaderJson.Text(headers, "x-first-death-queue") ?? "" : queue;
        foreach (var suffix in (string[])["_error", "_skipped"])
        {
            name = name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] : name;
        }

        return name;
    }

    private static string? FirstDeath(JsonObject headers) =>
        headers["x-death"] is JsonArray and [JsonObject death, ..] && death["time"] is JsonObject time && time["$time"] is JsonValue seconds && seconds.TryGetValue<long>(out var s)
            ? DateTimeOffset.FromUnixTimeSeconds(s).ToString("O", CultureInfo.InvariantCulture) : null;

    private static byte[] DeliveryKey(string queue, string? messageId, string? time, string? retryOf, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{queue}\n{messageId}\n{time}\n{retryOf}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    private static JsonObject Properties(IReadOnlyBasicProperties p) => HeaderJson.ToJson(new Dictionary<string, object?>
    {
        ["contentType"] = p.ContentType,
        ["contentEncoding"] = p.ContentEncoding,
        ["messageId"] = p.MessageId,
        ["correlationId"] = p.CorrelationId,
        ["type"] = p.Type,
    }.Where(e => e.Value is not null));

    // "00-<trace id>-<span id>-01", as W3C Trace Context writes it.
    private static string? TraceId(JsonObject headers, MessageFacts message) =>
        (HeaderJson.Text(headers, "traceparent") ?? HeaderJson.Text(headers, "MT-Activity-Id") ?? message.Activity)?.Split('-') is [_, { Length: 32 } trace, ..] ? trace : null;

    internal static string? ShortType(string? type) => type?.Split(':', '.').Last();

    private static string? Clean(string? text) => string.IsNullOrEmpty(text) ? null : Clip(text);

    private static string Clip(string text) => HeaderJson.Storable(text.Length > LongestText ? text[..LongestText] : text);

    [GeneratedRegex(@"^\s*at (ImageSearch\.[^(\r\n]+)\(", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex OwnFrame();

    [GeneratedRegex(@"^\s*at ([^(\r\n]+)\(", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex AnyFrame();
}
