using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

/// <summary>The text that a picture's caption and the user's words became.</summary>
/// <param name="By"><c>llm</c> or <c>template</c>.</param>
public sealed record MergedText(string Text, string By);

/// <summary>
/// One text out of what a picture shows and what the user says, as in composed retrieval by captioning: by the configured language model, or by the
/// template "words, caption" where there is none, or it is late, fails, or writes nothing of use.
/// </summary>
public sealed partial class TextMerge : IDisposable
{
    private const int MaxText = 300, MaxReply = 64 << 10, Kept = 256;

    private const string Instruction =
        "You write the query for an image search. You are told what a picture shows and what the user says about the picture to find. Answer with one short sentence "
        + "that describes the picture to find. Keep what the picture shows unless the user's words change it. Write nothing else: no quotes, no explanation.";

    private readonly MergeOptions options;
    private readonly TimeProvider time;
    private readonly ILogger<TextMerge> logger;
    private readonly HttpClient http;

    // The same question keeps its answer, so that further pages and other replicas' caches see the same ranking while it lasts.
    private readonly ConcurrentDictionary<(string Words, string Caption), string> known = new();
    private long heldUntil;

    public TextMerge(IOptions<MergeOptions> options, TimeProvider time, ILogger<TextMerge> logger)
    {
        (this.options, this.time, this.logger) = (options.Value, time, logger);

        // No redirects: the key goes to one address only.
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5), PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxReply,
        };
        if (this.options.ReadKey() is { Length: > 0 } key)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
    }

    public static MergedText ByTemplate(string words, string caption) => new($"{words}, {caption}", "template");

    /// <param name="words">What the user says.</param>
    /// <param name="caption">What the picture shows.</param>
    public async Task<MergedText> MergeAsync(string words, string caption, CancellationToken ct)
    {
        if (!options.IsConfigured)
        {
            return ByTemplate(words, caption);
        }

        if (known.TryGetValue((words, caption), out var merged))
        {
            return new(merged, "llm");
        }

        if (time.GetUtcNow().UtcTicks < Interlocked.Read(ref heldUntil))
        {
            return ByTemplate(words, caption);
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(options.Seconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            var text = Clean(await AskAsync(words, caption, either.Token));
            if (text is null)
            {
                throw new InvalidDataException("the answer holds no text of use");
            }

            if (known.Count >= Kept)
            {
                known.Clear();
            }

            return new(known[(words, caption)] = text, "llm");
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is HttpRequestException or OperationCanceledException or JsonException or InvalidDataException)
        {
            Interlocked.Exchange(ref heldUntil, (time.GetUtcNow() + TimeSpan.FromSeconds(options.PauseSeconds)).UtcTicks);
            NotMerged(e is OperationCanceledException ? $"no answer within {options.Seconds:0.##} s" : e.Message);
            return ByTemplate(words, caption);
        }
    }

    public void Dispose() => http.Dispose();

    /// <summary>One line without quotes around it; null if nothing is left, or if it is no short sentence.</summary>
    internal static string? Clean(string? reply)
    {
        var line = reply?.Split('\n').Select(l => l.Trim()).FirstOrDefault(l => l.Length > 0)?.Trim('"', '\'', '`', '*', ' ', '“', '”') ?? "";
        return line.Length is 0 or > MaxText || Web.JsonFields.TextFault(line, MaxText) is not null ? null : line;
    }

    private async Task<string?> AskAsync(string words, string caption, CancellationToken ct)
    {
        var request = new JsonObject
        {
            ["model"] = options.Model,
            ["messages"] = new JsonArray(
                new JsonObject { ["role"] = "system", ["content"] = Instruction },
                new JsonObject { ["role"] = "user", ["content"] = $"The picture shows: {caption}\nThe user says: {words}" }),
            ["temperature"] = 0,
            ["max_tokens"] = 120,
        };
        using var first = await SendAsync(request, ct);
        if (first.StatusCode != HttpStatusCode.BadRequest)
        {
            return await TextAsync(first, ct);
        }

        // Some models refuse a temperature, or call the limit otherwise; the sentence is short without them.
        request.Remove("temperature");
        request.Remove("max_tokens");
        using var second = await SendAsync(request, ct);
        return await TextAsync(second, ct);
    }

    private Task<HttpResponseMessage> SendAsync(JsonObject request, CancellationToken ct) =>
        http.PostAsync(new Uri(options.BaseAddress.TrimEnd('/') + "/chat/completions"), JsonContent.Create(request), ct);

    private static async Task<string?> TextAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"the server answered {(int)response.StatusCode}");
        }

        var reply = await JsonNode.ParseAsync(await response.Content.ReadAsStreamAsync(ct), cancellationToken: ct);
        try
        {
            return reply?["choices"]?[0]?["message"]?["content"]?.GetValue<string>();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw new InvalidDataException("the answer is no chat completion", e);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Words and caption were merged by the template: {Reason}")]
    private partial void NotMerged(string reason);
}
