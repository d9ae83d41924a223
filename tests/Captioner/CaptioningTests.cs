using ImageSearch.Captioner.Chat;
using ImageSearch.Contracts;
using ImageSearch.Tests.Servers;
using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace ImageSearch.Captioner.Tests;

/// <summary>Events in, texts and events out; MassTransit in memory, everything else real but the fake chat server.</summary>
public sealed class CaptioningTests : IAsyncLifetime
{
    private static readonly byte[] Picture = TestPictures.Jpeg();
    private CaptionerFixture fixture = null!;
    private readonly List<ServiceProvider> providers = [];

    public async Task InitializeAsync() => fixture = await CaptionerFixture.CreateAsync();

    public async Task DisposeAsync()
    {
        foreach (var provider in providers)
        {
            await provider.DisposeAsync();
        }

        await fixture.DisposeAsync();
    }

    private async Task<ITestHarness> StartAsync(Action<ChatOptions>? change = null)
    {
        var services = new ServiceCollection();
        fixture.AddCaptioner(services, change);
        services.AddMassTransitTestHarness(x =>
        {
            x.AddConsumer<ImageIngestedConsumer>();
            x.AddConsumer<ReprocessConsumer>();
        });
        var provider = services.BuildServiceProvider();
        providers.Add(provider);
        var harness = provider.GetRequiredService<ITestHarness>();
        await harness.Start();
        return harness;
    }

    private ImageIngested Ingested((long Image, ImageId Id) picture, string key = "k.jpg") =>
        new(picture.Image, picture.Id, fixture.Store.Options.UploadBucket, key, DateTimeOffset.UtcNow);

    private static ImageReprocessRequested Reprocess((long Image, ImageId Id) picture, bool force, string stage = Stages.Caption) =>
        new(picture.Image, picture.Id, stage, null, force, DateTimeOffset.UtcNow);

    /// <summary>Publishes and waits until this very message is consumed; the exception if that failed.</summary>
    private static async Task<Exception?> ConsumedAsync<T>(ITestHarness harness, T message)
        where T : class
    {
        var observer = new Outcome(NewId.NextGuid());
        using var handle = harness.Bus.ConnectConsumeObserver(observer);
        await harness.Bus.Publish(message, c => c.MessageId = observer.Id);
        return await observer.Task;
    }

    private static int Captioned(ITestHarness harness) => harness.Published.Select<ImageCaptioned>().Count();

    [Fact]
    public async Task A_new_picture_gets_words_that_find_it()
    {
        fixture.Server.Then(FakeChatServer.Good("\"dog\"", "A dog lies in the grass."), FakeChatServer.Good("\"leash\"", "A leash of leather."));
        var picture = await fixture.AddAsync("holiday/Fishing-Boat_12.jpg", Picture);
        var harness = await StartAsync();

        Assert.Null(await ConsumedAsync(harness, Ingested(picture)));

        var texts = await fixture.Captions.FindAsync(picture.Image);
        Assert.NotNull(texts);
        Assert.Equal(("mllm:fake-vision", "v1/English/2x2", 5), (texts.Captioner, texts.PromptVersion, texts.Regions.Count));
        Assert.Equal(["leash"], texts.Regions[1].Tags);
        Assert.Equal(700, texts.Regions[1].PromptTokens);
        foreach (var query in (string[])["dogs", "tag:leash", "leather", "\"lies in the grass\"", "boat", "holidays"])
        {
            Assert.Equal([picture.Image], await fixture.SearchAsync(query));
        }

        Assert.Equal("mllm:fake-vision", harness.Published.Select<ImageCaptioned>().Single().Context.Message.Captioner);
    }

    [Fact]
    public async Task The_same_event_twice_asks_the_server_once()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        var harness = await StartAsync();

        await ConsumedAsync(harness, Ingested(picture));
        await ConsumedAsync(harness, Ingested(picture));

        Assert.Equal(5, fixture.Server.Requests.Count);
        Assert.Equal(2, Captioned(harness));
    }

    [Fact]
    public async Task Another_model_writes_anew_and_the_old_words_serve_until_then()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        await ConsumedAsync(await StartAsync(), Ingested(picture));
        long[]? found = null;
        fixture.Server.Otherwise = async (h, r) =>
        {
            found ??= await fixture.SearchAsync("dog");
            await FakeChatServer.Good("\"poodle\"", "A poodle.")(h, r);
        };

        await ConsumedAsync(await StartAsync(o => o.Model = "better"), Reprocess(picture, force: false));

        Assert.Equal([picture.Image], found!);
        Assert.Empty(await fixture.SearchAsync("dog"));
        Assert.Equal([picture.Image], await fixture.SearchAsync("poodle"));
        Assert.Equal("mllm:better", (await fixture.Captions.FindAsync(picture.Image))!.Captioner);
    }

    [Fact]
    public async Task Present_words_are_written_again_only_when_forced()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        var harness = await StartAsync();
        await ConsumedAsync(harness, Ingested(picture));

        await ConsumedAsync(harness, Reprocess(picture, force: false));
        Assert.Equal(5, fixture.Server.Requests.Count);
        await ConsumedAsync(harness, Reprocess(picture, force: true, Stages.Embed));
        Assert.Equal(5, fixture.Server.Requests.Count);
        await ConsumedAsync(harness, Reprocess(picture, force: true));
        Assert.Equal(10, fixture.Server.Requests.Count);
    }

    [Fact]
    public async Task A_failed_attempt_leaves_the_old_words()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        var harness = await StartAsync();
        await ConsumedAsync(harness, Ingested(picture));
        fixture.Server.Otherwise = FakeChatServer.Writes("no");

        Assert.Equal(CaptionFailure.Unusable, Assert.IsType<CaptionException>(await ConsumedAsync(harness, Reprocess(picture, force: true))).Kind);

        Assert.Equal([picture.Image], await fixture.SearchAsync("dog"));
    }

    [Fact]
    public async Task An_image_that_is_gone_needs_no_words()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        await fixture.Images.RemoveObjectAsync(fixture.Store.Options.UploadBucket, "k.jpg");
        var harness = await StartAsync();

        Assert.Null(await ConsumedAsync(harness, Ingested(picture)));

        Assert.Empty(fixture.Server.Requests);
        Assert.Equal(0, Captioned(harness));
    }

    [Fact]
    public async Task An_image_that_goes_meanwhile_leaves_nothing()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        var harness = await StartAsync();
        fixture.Server.Then(async (h, r) =>
        {
            await fixture.Images.RemoveObjectAsync(fixture.Store.Options.UploadBucket, "k.jpg");
            await FakeChatServer.Good()(h, r);
        });

        Assert.Null(await ConsumedAsync(harness, Ingested(picture)));

        Assert.Null(await fixture.Captions.FindAsync(picture.Image));
        Assert.Empty(await fixture.SearchAsync("dog"));
        Assert.Equal(0, Captioned(harness));
    }

    [Fact]
    public async Task A_missing_original_is_a_failure_while_the_catalogue_has_the_image()
    {
        var picture = await fixture.RegisterAsync("k.jpg", Picture);

        Assert.IsType<OriginalMissingException>(await ConsumedAsync(await StartAsync(), Ingested(picture)));
    }

    [Fact]
    public async Task Another_picture_under_the_key_is_never_described_as_this_one()
    {
        var picture = await fixture.RegisterAsync("k.jpg", Picture);
        await fixture.Store.PutAsync(fixture.Store.Options.UploadBucket, "k.jpg", TestPictures.Jpeg(shade: 200), "image/jpeg");

        Assert.IsType<OriginalMissingException>(await ConsumedAsync(await StartAsync(), Ingested(picture)));
        Assert.Empty(fixture.Server.Requests);
    }

    [Fact]
    public async Task The_uploaders_description_comes_first_and_finds_the_picture()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture, "Großmutters Hund\nWaldi \u0000");

        await ConsumedAsync(await StartAsync(), Ingested(picture));

        Assert.Equal("Großmutters Hund Waldi\nA dog lies in the grass.", (await fixture.Captions.FindAsync(picture.Image))!.Regions[0].Caption);
        Assert.Equal([picture.Image], await fixture.SearchAsync("waldi"));
    }

    [Fact]
    public async Task A_second_key_brings_its_words_without_another_caption()
    {
        await ConsumedAsync(await StartAsync(), Ingested(await fixture.AddAsync("k.jpg", Picture)));
        var picture = await fixture.AddAsync("summer/corgi.jpg", Picture);

        await ConsumedAsync(await StartAsync(), Ingested(picture, "summer/corgi.jpg"));

        Assert.Equal(5, fixture.Server.Requests.Count);
        Assert.Equal([picture.Image], await fixture.SearchAsync("corgi"));
        Assert.Equal([picture.Image], await fixture.SearchAsync("dog"));
    }

    [Fact]
    public async Task A_file_that_cannot_be_decoded_is_left_to_codec_to_reject()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture[..(Picture.Length / 2)]);

        Assert.Null(await ConsumedAsync(await StartAsync(), Ingested(picture)));
        Assert.Null(await fixture.Captions.FindAsync(picture.Image));

        // Codec could decode it after all: then a failure is one that somebody has to see.
        await fixture.Bitstreams.StoreAsync(new(picture.Image, "lic-lot/1", 4, "k", 1, new byte[32], "t", 1));
        Assert.IsType<Imaging.PictureException>(await ConsumedAsync(await StartAsync(), Ingested(picture)));
    }

    [Fact]
    public async Task Two_workers_on_one_picture_leave_one_text()
    {
        var picture = await fixture.AddAsync("k.jpg", Picture);
        var (one, other) = (await StartAsync(), await StartAsync());

        await Task.WhenAll(ConsumedAsync(one, Reprocess(picture, force: true)), ConsumedAsync(other, Reprocess(picture, force: true)));

        Assert.Equal(5, (await fixture.Captions.FindAsync(picture.Image))!.Regions.Count);
        Assert.Equal([picture.Image], await fixture.SearchAsync("dog"));
    }

    private sealed class Outcome(Guid id) : IConsumeObserver
    {
        private readonly TaskCompletionSource<Exception?> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Guid Id => id;

        public Task<Exception?> Task => done.Task;

        public Task PreConsume<T>(ConsumeContext<T> context)
            where T : class => System.Threading.Tasks.Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context)
            where T : class => Set(context, null);

        public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception)
            where T : class => Set(context, exception);

        private Task Set(ConsumeContext context, Exception? exception)
        {
            if (context.MessageId == id)
            {
                done.TrySetResult(exception);
            }

            return System.Threading.Tasks.Task.CompletedTask;
        }
    }
}
