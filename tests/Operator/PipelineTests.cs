using System.Net;
using System.Net.Http.Json;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Operator.Pictures;
using ImageSearch.Operator.Pipeline;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ImageSearch.Operator.Tests;

public sealed class PipelineTests(OperatorFixture fixture) : IClassFixture<OperatorFixture>
{
    [Fact]
    public async Task A_paused_stage_takes_nothing_and_a_resumed_one_goes_on()
    {
        var seen = new Seen();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.Configure<RabbitMqOptions>(o => o.Uri = fixture.BrokerUri);
        builder.Services.AddSingleton(fixture.Db);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(seen);
        builder.Services.AddPipelineBus(
            x => x.AddConsumer<Worker>(),
            (context, cfg) => cfg.WorkQueue(Queues.Captioner, new(10, 4), e => e.ConfigureConsumer<Worker>(context)));
        builder.Services.AddStageControl();
        using var host = builder.Build();
        await host.StartAsync();
        var bus = host.Services.GetRequiredService<IBus>();
        Task Publish(long image) => bus.Publish(new ImageIngested(image, ImageId.Of("x"u8), "b", "k", DateTimeOffset.UtcNow));

        await Publish(1001);
        await OperatorFixture.EventuallyAsync(() => Task.FromResult(seen.Images.Count), n => n == 1);
        Assert.Equal(HttpStatusCode.NoContent, (await fixture.Http.PostAsync("/api/pipeline/captioner/pause", null)).StatusCode);
        await OperatorFixture.EventuallyAsync(() => fixture.Channel.ConsumerCountAsync("captioner"), n => n == 0);
        await Publish(1002);
        await Task.Delay(3000);
        Assert.Single(seen.Images);
        var stage = (await fixture.GetAsync<PipelineState>("/api/pipeline")).Stages.Single(s => s.Queue == "captioner");
        Assert.Equal((true, "tester", 1L), (stage.Paused, stage.PausedBy, stage.Backlog));
        Assert.Contains(stage.Warnings, w => w.StartsWith("is paused", StringComparison.Ordinal));

        await fixture.Http.PostAsync("/api/pipeline/captioner/resume", null);
        await OperatorFixture.EventuallyAsync(() => Task.FromResult(seen.Images.Count), n => n == 2);
        await host.StopAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await fixture.Http.PostAsync("/api/pipeline/nothing/pause", null)).StatusCode);
    }

    [Fact]
    public async Task A_picture_shows_its_way_and_why_it_is_stuck()
    {
        var id = ImageId.Of("stuck"u8);
        var (image, _, _) = await new ImageCatalog(fixture.Db).RegisterAsync(fixture.Upload, "way/stuck.jpg", "e", new(id, "jpeg", 10, 10, 5, null));
        await new BitstreamCatalog(fixture.Db).StoreAsync(new(image, "lic-lot/1", 4, "bitstreams/s", 1, new byte[32], ObjectKeys.Thumbnail(id), 12));
        await fixture.PublishAsync("embedder_error",
            System.Text.Encoding.UTF8.GetBytes($$$"""{"messageType":["urn:message:ImageSearch.Contracts:ImageEncoded"],"message":{"image":{{{image}}},"id":"{{{id}}}"}}"""),
            new() { ["MT-Fault-ExceptionType"] = "System.Stuck", ["MT-Fault-Message"] = "no memory" }, "stuck-1");
        var bus = fixture.Services.GetRequiredService<IBus>();
        await bus.Publish(new ImageIngested(image, id, fixture.Upload, "way/stuck.jpg", DateTimeOffset.UtcNow));

        foreach (var asked in (string[])["way/stuck.jpg", $"{fixture.Upload}/way/stuck.jpg", id.Hex, image.ToString()])
        {
            var view = await OperatorFixture.EventuallyAsync(
                () => fixture.GetAsync<PictureView>("/api/pictures?q=" + Uri.EscapeDataString(asked)), v => v.Failures.Count == 1 && v.Events.Count == 1);
            Assert.False(view.Complete);
            Assert.Equal(["done", "done", "failed", "waiting"], view.Way.Select(s => s.State));
            Assert.Equal("embed", view.Stuck!.Stage);
            Assert.Contains("no memory", view.Stuck.Why);
        }

        await bus.Publish(new ImageRejected(fixture.Upload, "way/text.txt", "format", "no picture", DateTimeOffset.UtcNow));
        await OperatorFixture.EventuallyAsync(() => fixture.Http.GetAsync("/api/pictures?q=way/text.txt"), r => r.IsSuccessStatusCode);
        var rejected = await fixture.GetAsync<PictureView>("/api/pictures?q=way/text.txt");
        Assert.Equal(("rejected", "format: no picture"), (rejected.Stuck!.State, rejected.Stuck.Why));
        Assert.Equal(HttpStatusCode.NotFound, (await fixture.Http.GetAsync("/api/pictures?q=nothing")).StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await fixture.Http.PostAsJsonAsync($"/api/pictures/{image}/reprocess", new { stage = "embed" })).StatusCode);
    }

    [Theory]
    [InlineData(0, 1, 5.0, 5.0, false, 0.0, null)]
    [InlineData(500, 1, 2.0, 9.0, false, 0.0, null)]
    [InlineData(500, 1, 9.5, 2.0, false, 0.0, "does not keep up: 9.5 messages a second come in, 2.0 are done")]
    [InlineData(500, 0, 0.0, 0.0, false, 0.0, "has no worker")]
    [InlineData(7, 0, 0.0, 0.0, true, 0.0, "is paused with 7 messages waiting")]
    [InlineData(9000, 1, 1.0, 2.0, false, 0.0, "needs 0.02:30 h to empty")]
    [InlineData(1, 1, 1.0, 2.0, false, 7200.0, "its oldest picture waits for 0.02:00 h")]
    public void A_stage_that_does_not_keep_up_is_warned_of(long ready, long workers, double into, double done, bool paused, double waits, string? warning)
    {
        var queue = new QueueState("codec", ready, 0, workers, into, done);
        var warnings = PipelineView.Warnings(queue, paused, waits, done > into ? ready / (done - into) : null, TimeSpan.FromMinutes(10)).ToArray();
        if (warning is null)
        {
            Assert.Empty(warnings);
        }
        else
        {
            Assert.StartsWith(warning, Assert.Single(warnings));
        }
    }

    [Fact]
    public async Task The_api_describes_itself()
    {
        var openApi = await fixture.Http.GetStringAsync("/openapi/v1.json");
        foreach (var path in (string[])["/api/failures", "/api/failures/retry", "/api/audits", "/api/pipeline", "/api/models/activate", "/api/pictures", "/api/log"])
        {
            Assert.Contains($"\"{path}\"", openApi);
        }
    }

    private sealed class Seen
    {
        public System.Collections.Concurrent.ConcurrentBag<long> Images { get; } = [];
    }

    private sealed class Worker(Seen seen) : IConsumer<ImageIngested>
    {
        public Task Consume(ConsumeContext<ImageIngested> context)
        {
            seen.Images.Add(context.Message.Image);
            return Task.CompletedTask;
        }
    }
}
