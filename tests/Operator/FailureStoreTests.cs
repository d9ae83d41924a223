using System.Text;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Operator.Failures;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Tests;

public sealed class FailureStoreTests(OperatorFixture fixture) : IClassFixture<OperatorFixture>
{
    [Fact]
    public async Task A_consumer_that_throws_leaves_a_failure_with_picture_cause_frame_and_trace()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.Configure<RabbitMqOptions>(o => o.Uri = fixture.BrokerUri);
        builder.Services.AddPipelineBus(
            x => x.AddConsumer<FailingConsumer>(),
            (context, cfg) => cfg.WorkQueue(Queues.Embedder, new(10, 4, _ => false), e => e.ConfigureConsumer<FailingConsumer>(context)));
        using var host = builder.Build();
        await host.StartAsync();
        var id = ImageId.Of("a picture"u8);
        using (var activity = new System.Diagnostics.Activity("test").SetIdFormat(System.Diagnostics.ActivityIdFormat.W3C).Start())
        {
            await host.Services.GetRequiredService<IBus>().Publish(new ImageEncoded(4711, id, "bitstreams/x.lic", DateTimeOffset.UtcNow));
        }

        var page = await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<FailurePage>("/api/failures?q=endpoint:embedder%20image:4711"), p => p.Items.Count == 1);
        await host.StopAsync();

        var failure = page.Items[0];
        Assert.Equal(("embedder", "ImageEncoded", "System.TimeoutException", "the vector took too long", id.Hex, true),
            (failure.Endpoint, failure.MessageType, failure.ExceptionType, failure.ExceptionMessage, failure.ImageId, failure.Transient));
        Assert.Equal("ImageSearch.Operator.Tests.FailureStoreTests.FailingConsumer.Consume", failure.FirstFrame);
        Assert.NotNull(failure.NextRetryAt);
        var detail = await fixture.GetAsync<FailureView>($"/api/failures/{failure.Id}");
        Assert.Contains("bitstreams/x.lic", detail.Body);
        Assert.Contains(detail.Headers, h => h is { Name: "MT-Fault-ExceptionType", Locked: true, Sent: false });
        Assert.Single(detail.Failures);

        // The timeline took the same event.
        Assert.Equal("encoded", await OperatorFixture.EventuallyAsync(() => fixture.ScalarAsync<string>("SELECT coalesce(max(stage), '') FROM stage_events WHERE image_id = 4711"), s => s != ""));
    }

    [Fact]
    public async Task Poison_messages_are_stored_with_a_reason_and_block_nobody()
    {
        await fixture.PublishAsync("operator-timeline", "{ this is no JSON"u8.ToArray());
        await fixture.PublishAsync("operator-timeline", """{"messageId":"8a1f0000-0000-0000-0000-000000000001","messageType":["urn:message:ImageSearch.Contracts:ImageEncoded"],"message":{"image":"seven","id":[1,2]}}"""u8.ToArray());
        await fixture.PublishAsync("operator-timeline", """{"messageId":"8a1f0000-0000-0000-0000-000000000002","messageType":["urn:message:ImageSearch.Contracts:NobodyKnows"],"message":{}}"""u8.ToArray());
        await fixture.PublishAsync("codec_error", [], new() { ["MT-Fault-ExceptionType"] = "System.Exception\0", ["odd"] = new byte[] { 0xff, 0xfe }, ["deep"] = new Dictionary<string, object?> { ["a"] = 1L } }, "zero\0id");
        await fixture.PublishAsync("codec_skipped", Encoding.UTF8.GetBytes("\0\0 \ud83d\ude00"));
        await fixture.PublishAsync("captioner_error", new byte[(16 << 20) - 1000], new() { ["MT-Fault-ExceptionType"] = "System.Large" });

        var types = await OperatorFixture.EventuallyAsync(
            async () => (await fixture.GetAsync<FailurePage>("/api/failures?limit=100")).Items.Select(i => (i.Endpoint, i.ExceptionType)).ToList(),
            t => t.Count(x => x.Endpoint != "embedder") >= 6);

        Assert.Contains(("captioner", "System.Large"), types);
        Assert.Contains(("codec", "System.Exception\uFFFD"), types);
        Assert.Contains(("codec", "Skipped"), types);
        Assert.Contains(("operator-timeline", "Skipped"), types);
        Assert.Equal("System.InvalidOperationException, System.Text.Json.JsonReaderException",
            string.Join(", ", types.Where(t => t is { Endpoint: "operator-timeline" } and not { ExceptionType: "Skipped" }).Select(t => t.ExceptionType).Order()));
        Assert.Equal((16 << 20) - 1000, await fixture.ScalarAsync<int>("SELECT octet_length(body) FROM failed_messages WHERE exception_type = 'System.Large'"));
        foreach (var queue in ErrorQueueReader.SourceQueues)
        {
            Assert.Equal(0u, await fixture.Channel.MessageCountAsync(queue));
        }
    }

    [Fact]
    public async Task A_message_that_is_delivered_again_after_the_commit_is_stored_once()
    {
        var reader = new FailureReader([]);
        var headers = new Dictionary<string, object?> { ["MT-Fault-ExceptionType"] = "System.Once"u8.ToArray(), ["MT-Fault-Timestamp"] = "2026-01-02T03:04:05.678Z"u8.ToArray() };
        var first = reader.Read("codec_error", "{}"u8.ToArray(), new BasicProperties { MessageId = "m-1", Headers = headers }, redelivered: false, DateTimeOffset.UtcNow);
        var again = reader.Read("codec_error", "{}"u8.ToArray(), new BasicProperties { MessageId = "m-1", Headers = headers }, redelivered: true, DateTimeOffset.UtcNow);
        var later = reader.Read("codec_error", "{}"u8.ToArray(),
            new BasicProperties { MessageId = "m-1", Headers = new Dictionary<string, object?>(headers) { ["MT-Fault-Timestamp"] = "2026-01-02T03:05:00Z"u8.ToArray() } }, false, DateTimeOffset.UtcNow);
        var catalog = fixture.Services.GetRequiredService<FailureCatalog>();

        Assert.Equal(1, await catalog.StoreAsync([first]));
        Assert.Equal(0, await catalog.StoreAsync([again]));
        Assert.Equal(1, await catalog.StoreAsync([first, later]));
        Assert.Equal(2, await fixture.ScalarAsync<long>("SELECT count(*) FROM failed_messages WHERE exception_type = 'System.Once'"));
    }

    [Fact]
    public async Task Messages_without_identity_are_counted_as_copies()
    {
        var reader = new FailureReader([]);
        NewFailure Read(bool redelivered) => reader.Read("ingest-s3-events_skipped", """{"no":"identity"}"""u8.ToArray(), new BasicProperties(), redelivered, DateTimeOffset.UtcNow);
        var catalog = fixture.Services.GetRequiredService<FailureCatalog>();
        await catalog.StoreAsync([Read(false), Read(false)]);
        await catalog.StoreAsync([Read(true)]);
        Assert.Equal(2, await fixture.ScalarAsync<int>("SELECT copies FROM failed_messages WHERE source = 'ingest-s3-events_skipped'"));
    }

    [Fact]
    public async Task Two_operators_share_the_queues()
    {
        await using var other = fixture.Another();
        other.CreateClient();
        for (var i = 0; i < 300; i++)
        {
            await fixture.PublishAsync("embedder_error", "{}"u8.ToArray(), new() { ["MT-Fault-ExceptionType"] = "System.Shared", ["MT-Fault-Timestamp"] = DateTimeOffset.UtcNow.ToString("O") }, $"shared-{i}");
        }

        await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<FailureCount>("/api/failures/count?q=exception:System.Shared"), c => c.Count == 300);
    }

    private sealed class FailingConsumer : IConsumer<ImageEncoded>
    {
        public Task Consume(ConsumeContext<ImageEncoded> context) => throw new TimeoutException("the vector took too long");
    }
}
