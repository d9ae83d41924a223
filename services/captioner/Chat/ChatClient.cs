using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace ImageSearch.Captioner.Chat;

/// <summary>One chat completion, through the resilience pipeline: requests at once limited, then retry, then circuit breaker, then time limit.</summary>
public sealed class ChatClient
{
    /// <summary>A caption has a few hundred bytes; what is much longer is not read to the end.</summary>
    public const int LongestBody = 1 << 20;

    private readonly HttpClient http;
    private readonly ChatOptions options;
    private readonly Uri address;
    private readonly string? key;
    private readonly TimeProvider time;
    private readonly ResiliencePipeline<ChatReply> pipeline;
    private ChatDialect dialect;

    /// <param name="http">With an infinite timeout of its own, and without redirects: the key goes to one address only.</param>
    public ChatClient(HttpClient http, ChatOptions options, TimeProvider time)
    {
        this.http = http;
        this.options = options;
        this.time = time;
        address = new Uri(options.BaseAddress.TrimEnd('/') + "/chat/completions");
        key = options.ReadKey();
        dialect = new ChatDialect(options.JsonMode);

        // Longer waits than this are waited for with the queue paused, not with a picture's time budget.
        var longestWait = TimeSpan.FromSeconds(Math.Min(30, options.SecondsPerPicture / 4));
        var builder = new ResiliencePipelineBuilder<ChatReply> { TimeProvider = time }.AddConcurrencyLimiter(options.Concurrency, int.MaxValue);
        if (options.Retries > 0)
        {
            builder.AddRetry(new RetryStrategyOptions<ChatReply>
            {
                ShouldHandle = new PredicateBuilder<ChatReply>().Handle<CaptionException>(e => ServersFault(e) && !(e.RetryAfter > longestWait)).Handle<TimeoutRejectedException>(),
                MaxRetryAttempts = options.Retries,
                Delay = TimeSpan.FromSeconds(options.RetrySeconds),
                MaxDelay = longestWait,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,

                // Not before the server wants it, and not all clients in the same moment.
                DelayGenerator = args => new((args.Outcome.Exception as CaptionException)?.RetryAfter * (1 + (Random.Shared.NextDouble() / 10))),
            });
        }

        pipeline = builder
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<ChatReply>
            {
                ShouldHandle = new PredicateBuilder<ChatReply>().Handle<CaptionException>(ServersFault).Handle<TimeoutRejectedException>(),
                FailureRatio = 0.5,
                MinimumThroughput = 4,
                SamplingDuration = TimeSpan.FromSeconds(Math.Max(30, 3 * options.SecondsPerRequest)),
                BreakDuration = TimeSpan.FromSeconds(options.BreakSeconds),
            })
            .AddTimeout(TimeSpan.FromSeconds(options.SecondsPerRequest))
            .Build();
    }

    /// <exception cref="CaptionException">No usable reply; its kind says why.</exception>
    public async Task<ChatReply> CompleteAsync(IReadOnlyList<ChatMessage> messages, int maxTokens, CancellationToken ct)
    {
        try
        {
            return await pipeline.ExecuteAsync(token => new ValueTask<ChatReply>(SendAsync(messages, maxTokens, token)), ct);
        }
        catch (BrokenCircuitException e)
        {
            throw new CaptionException(CaptionFailure.Unavailable,
                $"Requests to {address} are held back because half of them failed: {e.InnerException?.Message ?? e.Message}", e.RetryAfter, e);
        }
        catch (TimeoutRejectedException e)
        {
            throw new CaptionException(CaptionFailure.TimedOut,
                $"{address} did not answer within {options.SecondsPerRequest:0.#} s. Raise Captioner:Chat:SecondsPerRequest, or lower LongestSide or Concurrency.", null, e);
        }
    }

    private static bool ServersFault(CaptionException e) => e.MayPass || e.Kind is CaptionFailure.Unavailable or CaptionFailure.Throttled;

    private async Task<ChatReply> SendAsync(IReadOnlyList<ChatMessage> messages, int maxTokens, CancellationToken ct)
    {
        var spoken = dialect;
        while (true)
        {
            var (status, retryAfter, body) = await PostAsync(ChatMessages.Write(options.Model, messages, maxTokens, spoken), ct);
            if (status is HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity && spoken.After(Encoding.UTF8.GetString(body)) is { } other)
            {
                spoken = other;
                continue;
            }

            if (status != HttpStatusCode.OK)
            {
                throw Failure(status, retryAfter, Excerpt(body));
            }

            // Learnt only now: a 400 may as well be about this picture.
            dialect = spoken;
            var (reply, refusal) = ChatMessages.Read(body);
            return reply ?? throw (refusal is null
                ? new CaptionException(CaptionFailure.ServerError, $"{address} answered with something else than a chat completion: {Excerpt(body)}")
                : new CaptionException(CaptionFailure.Refused, $"The model refused: {CaptionJson.Clean(refusal, 300)}"));
        }
    }

    private async Task<(HttpStatusCode Status, TimeSpan? RetryAfter, byte[] Body)> PostAsync(byte[] json, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(json) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (!string.IsNullOrEmpty(key))
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            await using var stream = await response.Content.ReadAsStreamAsync(ct);
            var body = new byte[LongestBody + 1];
            var length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, ct);
            return length <= LongestBody
                ? (response.StatusCode, RetryAfter(response.Headers.RetryAfter), body[..length])
                : throw new CaptionException(CaptionFailure.Oversized, $"{address} answered with more than {LongestBody:N0} bytes.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CaptionException(CaptionFailure.Unavailable, $"{address} cannot be reached: {e.Message} Check Captioner:Chat:BaseAddress and that the server runs.", null, e);
        }
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header)
    {
        var wait = header?.Delta ?? (header?.Date - time.GetUtcNow());
        return wait > TimeSpan.Zero ? wait : null;
    }

    private CaptionException Failure(HttpStatusCode status, TimeSpan? retryAfter, string says)
    {
        var (kind, advice) = status switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => (CaptionFailure.Misconfigured, "Check Captioner:Chat:ApiKey or ApiKeyFile."),
            HttpStatusCode.NotFound => (CaptionFailure.Misconfigured, $"Check Captioner:Chat:BaseAddress and that the server has the model '{options.Model}'."),
            HttpStatusCode.TooManyRequests => (CaptionFailure.Throttled, "Lower Captioner:Chat:Concurrency if this stays."),
            HttpStatusCode.RequestTimeout => (CaptionFailure.TimedOut, ""),
            HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => (CaptionFailure.Unavailable, ""),
            HttpStatusCode.RequestEntityTooLarge => (CaptionFailure.Refused, "Lower Captioner:Chat:LongestSide."),
            >= HttpStatusCode.InternalServerError => (CaptionFailure.ServerError, ""),
            >= HttpStatusCode.BadRequest => (CaptionFailure.Refused, ""),
            _ => (CaptionFailure.Misconfigured, "Check Captioner:Chat:BaseAddress: it must answer without a redirect."),
        };
        return new(kind, $"{address} answered {(int)status}: {says} {advice}".TrimEnd(), retryAfter);
    }

    private static string Excerpt(byte[] body) => CaptionJson.Clean(Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 2000))), 300);
}
