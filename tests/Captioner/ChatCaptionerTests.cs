using System.Net;
using ImageSearch.Captioner.Chat;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;

namespace ImageSearch.Captioner.Tests;

public sealed class ChatCaptionerTests : IAsyncLifetime
{
    private static readonly byte[] Picture = TestPictures.Jpeg();
    private readonly HttpClient http = new() { Timeout = Timeout.InfiniteTimeSpan };
    private FakeChatServer server = null!;

    public async Task InitializeAsync() => server = await FakeChatServer.StartAsync();

    public async Task DisposeAsync()
    {
        http.Dispose();
        await server.DisposeAsync();
    }

    /// <param name="budget">Clock of the picture's time budget.</param>
    private ChatCaptioner Captioner(Action<ChatOptions>? change = null, string grid = "none", TimeProvider? budget = null)
    {
        var options = server.Options(change);
        return new(new ChatClient(http, options, TimeProvider.System), options, CropGrid.Regions(grid, 0.2f), grid, budget ?? TimeProvider.System, NullLogger<ChatCaptioner>.Instance);
    }

    private async Task<CaptionException> FailsAsync(ChatCaptioner captioner) => await Assert.ThrowsAsync<CaptionException>(() => captioner.CaptionAsync(Picture));

    [Fact]
    public async Task The_whole_and_each_crop_are_described_with_provenance()
    {
        server.Then(FakeChatServer.Good("\"Dog\""), FakeChatServer.Good("\"collar\"", "A red collar."));
        var captioner = Captioner(o => o.ApiKey = "secret", "2x2");

        var texts = await captioner.CaptionAsync(Picture);

        Assert.Equal("mllm:fake-vision", captioner.Name);
        Assert.Equal("v1/English/2x2", captioner.Version);
        Assert.Equal([0, 1, 2, 3, 4], texts.Select(t => (int)t.Region));
        Assert.Equal(["dog"], texts[0].Tags);
        Assert.Equal("A red collar.", texts[1].Caption);
        Assert.Equal((1f, 1f), (texts[0].Width, texts[0].Height));
        Assert.Equal((700, 40), (texts[1].PromptTokens, texts[1].CompletionTokens));
        Assert.All(texts, t => Assert.True(t.Milliseconds > 0));
        Assert.All(server.Requests, r => Assert.Equal("Bearer secret", r.Authorization));
        var sent = server.Requests.Select(r => r.Body["messages"]![1]!["content"]!).ToArray();
        Assert.Contains("upper left", (string)sent[1][0]!["text"]!);
        Assert.Contains("lower right", (string)sent[4][0]!["text"]!);
        Assert.All(sent, c => Assert.StartsWith("data:image/jpeg;base64,/9j/", (string)c[1]!["image_url"]!["url"]!));
        Assert.Equal("json_schema", (string)server.Requests[0].Body["response_format"]!["type"]!);
    }

    [Fact]
    public async Task Pictures_are_sent_no_larger_than_asked_for()
    {
        await Captioner(o => o.LongestSide = 100, "2x2").CaptionAsync(TestPictures.Jpeg(1600, 800));

        var sizes = server.Requests.Select(r => (string)r.Body["messages"]![1]!["content"]![1]!["image_url"]!["url"]!)
            .Select(u => Imaging.ImageFiles.Probe(Convert.FromBase64String(u["data:image/jpeg;base64,".Length..]))).ToArray();
        Assert.All(sizes, s => Assert.Equal(100, s.Width));
        Assert.All(sizes, s => Assert.InRange(s.Height, 49, 51));
    }

    [Fact]
    public async Task A_fenced_answer_needs_no_repair()
    {
        server.Then(FakeChatServer.Writes("Here you are:\n```json\n{\"tags\": [\"cat\"], \"caption\": \"A cat.\"}\n```"));

        Assert.Equal("A cat.", (await Captioner().CaptionAsync(Picture))[0].Caption);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task Broken_JSON_is_repaired_once_and_both_answers_are_counted()
    {
        server.Then(FakeChatServer.Writes("A cat, I would say."), FakeChatServer.Good("\"cat\""));

        var text = (await Captioner().CaptionAsync(Picture))[0];

        Assert.Equal(["cat"], text.Tags);
        Assert.Equal((1400, 80), (text.PromptTokens, text.CompletionTokens));
        Assert.Equal(["system", "user", "assistant", "user"], server.Requests[1].Body["messages"]!.AsArray().Select(m => (string)m!["role"]!));
    }

    [Fact]
    public async Task Broken_JSON_twice_is_a_typed_failure()
    {
        server.Otherwise = FakeChatServer.Writes("I cannot do JSON.");
        var captioner = Captioner();

        Assert.Equal(CaptionFailure.Unusable, (await FailsAsync(captioner)).Kind);
        Assert.Equal(2, server.Requests.Count);
        Assert.Equal(HealthStatus.Healthy, captioner.Health.Status);
    }

    [Fact]
    public async Task A_crop_without_words_does_not_take_the_others_away()
    {
        server.Then(FakeChatServer.Good(), FakeChatServer.Writes("?"), FakeChatServer.Writes("?"));

        Assert.Equal([0, 2, 3, 4], (await Captioner(grid: "2x2").CaptionAsync(Picture)).Select(t => (int)t.Region));
    }

    [Fact]
    public async Task Retry_After_is_honoured()
    {
        server.Then(FakeChatServer.Status(HttpStatusCode.TooManyRequests, retryAfter: 1));

        await Captioner().CaptionAsync(Picture);

        Assert.Equal(2, server.Requests.Count);
        Assert.True(server.Requests[1].At - server.Requests[0].At >= TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task A_long_Retry_After_is_handed_to_the_queue_instead_of_waited_for()
    {
        server.Otherwise = FakeChatServer.Status(HttpStatusCode.TooManyRequests, retryAfter: 3600);

        var e = await FailsAsync(Captioner());

        Assert.Equal(CaptionFailure.Throttled, e.Kind);
        Assert.Equal(TimeSpan.FromHours(1), e.RetryAfter);
        Assert.True(e.ConcernsAll);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task Errors_500_are_retried()
    {
        server.Then(FakeChatServer.Status(HttpStatusCode.InternalServerError), FakeChatServer.Status(HttpStatusCode.BadGateway));

        Assert.Equal(["dog", "grass"], (await Captioner().CaptionAsync(Picture))[0].Tags);
        Assert.Equal(3, server.Requests.Count);
    }

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError, CaptionFailure.ServerError, 3)]
    [InlineData(HttpStatusCode.ServiceUnavailable, CaptionFailure.Unavailable, 3)]
    [InlineData(HttpStatusCode.Unauthorized, CaptionFailure.Misconfigured, 1)]
    [InlineData(HttpStatusCode.NotFound, CaptionFailure.Misconfigured, 1)]
    [InlineData(HttpStatusCode.RequestEntityTooLarge, CaptionFailure.Refused, 1)]
    public async Task Lasting_errors_have_a_kind_and_degrade_health_where_they_concern_the_server(HttpStatusCode status, CaptionFailure kind, int requests)
    {
        server.Otherwise = FakeChatServer.Status(status);
        var captioner = Captioner();

        var e = await FailsAsync(captioner);

        Assert.Equal(kind, e.Kind);
        Assert.Equal(requests, server.Requests.Count);
        Assert.Equal(kind == CaptionFailure.Refused ? HealthStatus.Healthy : HealthStatus.Degraded, captioner.Health.Status);
        server.Otherwise = FakeChatServer.Good();
        await captioner.CaptionAsync(Picture);
        Assert.Equal(HealthStatus.Healthy, captioner.Health.Status);
    }

    [Fact]
    public async Task After_many_failures_the_circuit_holds_requests_back()
    {
        server.Otherwise = FakeChatServer.Status(HttpStatusCode.ServiceUnavailable);
        var captioner = Captioner(o => o.BreakSeconds = 600);
        await FailsAsync(captioner);
        await FailsAsync(captioner);
        var sent = server.Requests.Count;

        var e = await FailsAsync(captioner);

        Assert.Equal(CaptionFailure.Unavailable, e.Kind);
        Assert.Equal(sent, server.Requests.Count);
        Assert.Equal(4, sent);
    }

    [Fact]
    public async Task A_slow_drip_ends_at_the_time_limit()
    {
        server.Otherwise = FakeChatServer.SlowDrip();

        Assert.Equal(CaptionFailure.TimedOut, (await FailsAsync(Captioner(o => (o.SecondsPerRequest, o.Retries) = (0.3, 0)))).Kind);
    }

    [Fact]
    public async Task The_time_budget_ends_a_picture_and_names_the_setting()
    {
        var budget = new ExpiringTime();
        server.Otherwise = budget.ExpiresAnd(FakeChatServer.SlowDrip());

        var e = await FailsAsync(Captioner(budget: budget));

        Assert.Equal(CaptionFailure.TimedOut, e.Kind);
        Assert.Contains("SecondsPerPicture", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_time_is_spent_the_words_so_far_are_kept()
    {
        var budget = new ExpiringTime();
        server.Then(FakeChatServer.Good(), FakeChatServer.Good()).Otherwise = budget.ExpiresAnd(FakeChatServer.SlowDrip());

        var texts = await Captioner(grid: "2x2", budget: budget).CaptionAsync(Picture);

        Assert.Equal(2, texts.Count);
    }

    [Fact]
    public async Task When_tokens_are_spent_the_crops_left_go_without_words()
    {
        var texts = await Captioner(o => o.TokensPerPicture = 2 * 740, "2x2").CaptionAsync(Picture);

        Assert.Equal(2, texts.Count);
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task The_answers_limit_is_what_is_left_of_the_tokens()
    {
        await Captioner(o => (o.TokensPerPicture, o.TokensPerAnswer) = (800, 400), "2x2").CaptionAsync(Picture);

        Assert.Equal([400, 60], server.Requests.Select(r => (int)r.Body["max_tokens"]!));
    }

    [Fact]
    public async Task An_oversized_answer_is_not_read_to_its_end()
    {
        server.Otherwise = FakeChatServer.Oversized();

        Assert.Equal(CaptionFailure.Oversized, (await FailsAsync(Captioner())).Kind);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_server_without_schemas_is_asked_by_words_from_then_on()
    {
        server.Otherwise = FakeChatServer.Knows(r => r["response_format"] is null, "{\"error\": \"unknown field response_format\"}");
        var captioner = Captioner();

        await captioner.CaptionAsync(Picture);
        await captioner.CaptionAsync(Picture);

        Assert.Equal(["json_schema", "json_object", null, null], server.Requests.Select(r => (string?)r.Body["response_format"]?["type"]));
    }

    [Fact]
    public async Task Models_that_want_max_completion_tokens_and_no_temperature_get_that()
    {
        server.Otherwise = FakeChatServer.Knows(r => r["max_tokens"] is null, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            FakeChatServer.Knows(r => r["temperature"] is null, "Unsupported value: 'temperature' does not support 0."));

        await Captioner().CaptionAsync(Picture);

        var last = server.Requests[^1].Body;
        Assert.Equal(400, (int)last["max_completion_tokens"]!);
        Assert.Equal("json_schema", (string)last["response_format"]!["type"]!);
    }

    [Fact]
    public async Task A_refusal_of_one_picture_changes_nothing_for_the_next()
    {
        server.Then([.. Enumerable.Repeat(FakeChatServer.Status(HttpStatusCode.BadRequest, "content policy"), 3)]);
        var captioner = Captioner();

        Assert.Equal(CaptionFailure.Refused, (await FailsAsync(captioner)).Kind);
        await captioner.CaptionAsync(Picture);

        Assert.Equal("json_schema", (string?)server.Requests[^1].Body["response_format"]?["type"]);
    }

    [Fact]
    public async Task Something_else_than_a_chat_server_is_a_server_error()
    {
        server.Otherwise = FakeChatServer.Status(HttpStatusCode.OK, "<html>login</html>");

        Assert.Equal(CaptionFailure.ServerError, (await FailsAsync(Captioner(o => o.Retries = 0))).Kind);
    }

    [Fact]
    public async Task Requests_at_once_are_limited()
    {
        server.Otherwise = async (h, r) =>
        {
            await Task.Delay(30);
            await FakeChatServer.Good()(h, r);
        };
        var captioner = Captioner(o => o.Concurrency = 2, "2x2");

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => captioner.CaptionAsync(Picture)));

        Assert.Equal(30, server.Requests.Count);
        Assert.InRange(server.MostInFlight, 1, 2);
    }

    /// <summary>A clock whose timers run out when the test says so.</summary>
    private sealed class ExpiringTime : TimeProvider
    {
        private Action expire = () => { };

        public FakeAnswer ExpiresAnd(FakeAnswer then) => (h, r) =>
        {
            expire();
            return then(h, r);
        };

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            expire = () => callback(state);
            return new Never();
        }

        private sealed class Never : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
