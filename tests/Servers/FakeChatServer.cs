using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ImageSearch.Tests.Servers;

public delegate Task FakeAnswer(HttpContext http, JsonNode request);

/// <summary>
/// A fake: no model, no pictures looked at. An OpenAI-compatible chat server that answers what a test tells it to, over real HTTP, and keeps the
/// requests that it got.
/// </summary>
public sealed class FakeChatServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentQueue<FakeAnswer> script = new();
    private readonly ConcurrentQueue<(JsonNode Body, string? Authorization, DateTimeOffset At)> requests = new();
    private int inFlight;

    private FakeChatServer(WebApplication app) => this.app = app;

    public string BaseAddress => app.Urls.Single() + "/v1";

    /// <summary>In the order of their arrival.</summary>
    public IReadOnlyList<(JsonNode Body, string? Authorization, DateTimeOffset At)> Requests => [.. requests];

    public int MostInFlight { get; private set; }

    /// <summary>What is answered when the script is at its end.</summary>
    public FakeAnswer Otherwise { get; set; } = Good();

    public static async Task<FakeChatServer> StartAsync(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        var app = builder.Build();
        var server = new FakeChatServer(app);
        app.MapPost("/v1/chat/completions", server.AnswerAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>These answers come first, one a request.</summary>
    public FakeChatServer Then(params FakeAnswer[] answers)
    {
        foreach (var answer in answers)
        {
            script.Enqueue(answer);
        }

        return this;
    }

    public static FakeAnswer Good(string tags = "\"dog\", \"grass\"", string caption = "A dog lies in the grass.") =>
        Writes($$"""{"tags": [{{tags}}], "caption": "{{caption}}"}""");

    /// <summary>A proper reply in which the model wrote this text.</summary>
    public static FakeAnswer Writes(string text, int promptTokens = 700, int completionTokens = 40, string finish = "stop") => (http, request) => http.Response.WriteAsJsonAsync(new
    {
        id = "chatcmpl-fake",
        @object = "chat.completion",
        model = (string?)request["model"],
        choices = new[] { new { index = 0, message = new { role = "assistant", content = text }, finish_reason = finish } },
        usage = new { prompt_tokens = promptTokens, completion_tokens = completionTokens, total_tokens = promptTokens + completionTokens },
    });

    public static FakeAnswer Status(HttpStatusCode status, string body = "{\"error\": {\"message\": \"as the test wants\"}}", int? retryAfter = null) => async (http, _) =>
    {
        http.Response.StatusCode = (int)status;
        if (retryAfter is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await http.Response.WriteAsync(body);
    };

    /// <summary>400 for as long as the request has this field, else <paramref name="otherwise"/>.</summary>
    public static FakeAnswer Knows(Func<JsonNode, bool> accepts, string complaint, FakeAnswer? otherwise = null) => (http, request) =>
        accepts(request) ? (otherwise ?? Good())(http, request) : Status(HttpStatusCode.BadRequest, complaint)(http, request);

    /// <summary>The reply's head at once, then a blank every 50 ms until the client hangs up.</summary>
    public static FakeAnswer SlowDrip() => async (http, _) =>
    {
        http.Response.ContentType = "application/json";
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.WriteAsync(" ");
            await http.Response.Body.FlushAsync();
            await Task.Delay(50, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    };

    /// <summary>Megabytes without an end.</summary>
    public static FakeAnswer Oversized() => async (http, _) =>
    {
        var block = Encoding.ASCII.GetBytes(new string('x', 65536));
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.Body.WriteAsync(block);
        }
    };

    private async Task AnswerAsync(HttpContext http)
    {
        var now = Interlocked.Increment(ref inFlight);
        lock (script)
        {
            MostInFlight = Math.Max(MostInFlight, now);
        }

        try
        {
            var body = (await JsonNode.ParseAsync(http.Request.Body))!;
            requests.Enqueue((body, http.Request.Headers.Authorization, DateTimeOffset.UtcNow));
            await (script.TryDequeue(out var answer) ? answer : Otherwise)(http, body);
        }
        finally
        {
            Interlocked.Decrement(ref inFlight);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync(new CancellationToken(canceled: true));
        await app.DisposeAsync();
    }
}
