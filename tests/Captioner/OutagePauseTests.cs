using ImageSearch.Captioner.Chat;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.Logging.Abstractions;

namespace ImageSearch.Captioner.Tests;

public class OutagePauseTests
{
    private static OutagePause Pause(TimeSpan? limit = null, CancellationToken stopping = default) => new(
        new(limit ?? TimeSpan.FromMinutes(20), TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(100)), TimeProvider.System, stopping, NullLogger<OutagePause>.Instance);

    [Fact]
    public async Task A_server_that_is_down_is_waited_for_and_the_picture_gets_its_words_when_it_is_back()
    {
        var port = TestServers.FreePort();
        var options = new ChatOptions { BaseAddress = $"http://127.0.0.1:{port}/v1", Model = "fake-vision", RetrySeconds = 0.01, BreakSeconds = 0.5 };
        using var http = new HttpClient();
        var captioner = new ChatCaptioner(new ChatClient(http, options, TimeProvider.System), options, CropGrid.Regions("none", 0), "none", TimeProvider.System, NullLogger<ChatCaptioner>.Instance);
        var (rounds, texts) = (0, 0);
        var work = Pause().RunAsync(async ct =>
        {
            Interlocked.Increment(ref rounds);
            texts = (await captioner.CaptionAsync(TestPictures.Jpeg(), ct)).Count;
        }, default);
        while (Volatile.Read(ref rounds) < 8)
        {
            Assert.False(work.IsCompleted);
            await Task.Delay(20);
        }

        await using var server = await FakeChatServer.StartAsync(port);

        Assert.Equal(PauseOutcome.Done, await work);
        Assert.Equal(1, texts);
    }

    [Fact]
    public async Task A_message_that_waited_to_the_limit_goes_back_into_its_queue() =>
        Assert.Equal(PauseOutcome.Requeue, await Pause(TimeSpan.FromMilliseconds(150)).RunAsync(_ => throw new CaptionException(CaptionFailure.Unavailable, "down"), default));

    [Fact]
    public async Task Stopping_the_service_puts_the_message_back_at_once()
    {
        using var stopping = new CancellationTokenSource();
        var work = Pause(stopping: stopping.Token).RunAsync(_ => throw new CaptionException(CaptionFailure.Throttled, "later", TimeSpan.FromHours(1)), default);

        await stopping.CancelAsync();

        Assert.Equal(PauseOutcome.Requeue, await work);
    }

    [Fact]
    public async Task A_failure_that_may_be_the_pictures_own_has_three_rounds_and_then_fails()
    {
        var rounds = 0;

        var e = await Assert.ThrowsAsync<CaptionException>(() => Pause().RunAsync(_ => throw new CaptionException(CaptionFailure.ServerError, $"{++rounds}"), default));

        Assert.Equal("3", e.Message);
    }

    [Theory]
    [InlineData(CaptionFailure.Unusable)]
    [InlineData(CaptionFailure.Refused)]
    [InlineData(CaptionFailure.BudgetSpent)]
    [InlineData(CaptionFailure.Oversized)]
    public async Task A_failure_of_the_picture_fails_at_once(CaptionFailure kind)
    {
        var rounds = 0;

        await Assert.ThrowsAsync<CaptionException>(() => Pause().RunAsync(_ => throw new CaptionException(kind, $"{++rounds}"), default));

        Assert.Equal(1, rounds);
    }
}
