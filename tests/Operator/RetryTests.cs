using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Failures;
using ImageSearch.Operator.Retries;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Tests;

public sealed class RetryTests(OperatorFixture fixture) : IClassFixture<OperatorFixture>
{
    [Fact]
    public async Task A_retry_goes_to_its_own_queue_without_the_marks_of_earlier_deliveries()
    {
        var id = await FailAsync("codec", "System.Strip", messageId: "strip-1", headers: new()
        {
            ["x-delivery-count"] = 20L,
            ["x-death"] = new List<object?>(),
            ["MT-Reason"] = "fault",
            ["MT-Host-MachineName"] = "m",
            ["my-own"] = "kept",
        });

        var retry = await fixture.PostAsync<RetryStarted>("/api/failures/retry", new { ids = new[] { id } });
        var message = await TakeAsync("codec");

        Assert.Equal("strip-1", message.BasicProperties.MessageId);
        Assert.Equal(["imagesearch-retry-of", "my-own"], message.BasicProperties.Headers!.Keys.Where(k => k is not ("x-delivery-count" or "x-acquired-count" or "x-dotnet-pub-seq-no")).Order());
        Assert.False(message.BasicProperties.Headers.TryGetValue("x-delivery-count", out var count) && Convert.ToInt64(count) > 0);
        Assert.Equal(id.ToString(), Encoding.UTF8.GetString((byte[])message.BasicProperties.Headers["imagesearch-retry-of"]!));

        // The queue is empty and no failure came: done, known by silence.
        Assert.Equal("done", (await StateAsync(retry.Retry, s => s.State == "done")).State);
        var detail = await fixture.GetAsync<FailureView>($"/api/failures/{id}");
        Assert.Equal(("resolved", "silence", 1), (detail.Summary.State, detail.Retries[0].DecidedBy, detail.Retries[0].Sends));
        Assert.Equal("tester", detail.Retries[0].Actor);
    }

    [Fact]
    public async Task An_event_of_the_picture_decides_at_once()
    {
        var id = await FailAsync("embedder", "System.ByEvent", body: Envelope(8001));
        var retry = await fixture.PostAsync<RetryStarted>("/api/failures/retry", new { q = "exception:System.ByEvent" });
        await OperatorFixture.EventuallyAsync(() => fixture.ScalarAsync<string>($"SELECT state FROM retry_items WHERE retry_id = {retry.Retry}"), s => s == "sent");
        await fixture.ExecuteAsync("INSERT INTO stage_events (message_id, at, stage, image_id) VALUES (gen_random_uuid(), now(), 'embedded', 8001)");
        await StateAsync(retry.Retry, s => s.State == "done");
        Assert.Equal("event", (await fixture.GetAsync<FailureView>($"/api/failures/{id}")).Retries[0].DecidedBy);
        await TakeAsync("embedder");
    }

    [Fact]
    public async Task A_canary_stops_when_its_batch_fails_and_the_rest_stays()
    {
        for (var i = 0; i < 10; i++)
        {
            await FailAsync("captioner", "System.Canary", messageId: $"canary-{i}");
        }

        var retry = await fixture.PostAsync<RetryStarted>("/api/failures/retry", new { q = "exception:System.Canary" });
        Assert.Equal(10, retry.Messages);
        await FailAgainAsync(await TakeAsync("captioner"), "System.Canary");
        var stopped = await StateAsync(retry.Retry, s => s.State == "stopped");

        Assert.Equal((0L, 1L, 9L), (stopped.Succeeded, stopped.Failed, stopped.Cancelled));
        Assert.Null(await fixture.Channel.BasicGetAsync("captioner", autoAck: true));
        Assert.Equal(10, (await fixture.GetAsync<FailureCount>("/api/failures/count?q=exception:System.Canary")).Count);
        Assert.Equal(1, await fixture.ScalarAsync<long>("SELECT count(*) FROM failed_messages WHERE exception_type = 'System.Canary' AND attempts = 2"));
        Assert.Equal(11, await fixture.ScalarAsync<long>("SELECT count(*) FROM failure_attempts WHERE exception_type = 'System.Canary'"));
    }

    [Fact]
    public async Task A_canary_sends_1_then_5_then_the_rest()
    {
        for (var i = 0; i < 8; i++)
        {
            await FailAsync("ingest-s3-events", "System.Batches", messageId: $"batches-{i}");
        }

        var retry = await fixture.PostAsync<RetryStarted>("/api/failures/retry", new { q = "exception:System.Batches" });
        foreach (var size in (int[])[1, 5, 2])
        {
            await OperatorFixture.EventuallyAsync(() => fixture.Channel.MessageCountAsync("ingest-s3-events"), n => n == size);
            for (var i = 0; i < size; i++)
            {
                await TakeAsync("ingest-s3-events");
            }
        }

        Assert.Equal(8, (await StateAsync(retry.Retry, s => s.State == "done")).Succeeded);
        Assert.Equal([0, 1, 1, 1, 1, 1, 2, 2], (await fixture.GetAsync<RetryItem[]>($"/api/retries/{retry.Retry}/items")).Select(i => i.Batch));
    }

    [Theory]
    [InlineData(50)]
    [InlineData(3)]
    [InlineData(0.7)]
    public async Task A_retry_at_a_rate_sends_everything(double rate)
    {
        var exception = $"System.Rate{rate.ToString(System.Globalization.CultureInfo.InvariantCulture)}x";
        for (var i = 0; i < 4; i++)
        {
            await FailAsync("ingest-rejections", exception);
        }

        var retry = await fixture.PostAsync<RetryStarted>("/api/failures/retry", new { q = "exception:" + exception, rate });
        for (var i = 0; i < 4; i++)
        {
            await TakeAsync("ingest-rejections");
        }

        Assert.Equal(4, (await StateAsync(retry.Retry, s => s.State == "done")).Succeeded);
    }

    [Fact]
    public async Task What_a_dead_operator_left_in_sending_goes_out_and_is_counted()
    {
        var id = await FailAsync("embedder", "System.Crash", messageId: "crash-1");
        var retries = fixture.Services.GetRequiredService<RetryCatalog>();

        // As a process that dies between committing "sending" and noting "sent".
        long retry;
        await using (var held = await SessionLock.TryTakeAsync(fixture.Db, "test"))
        {
            await fixture.ExecuteAsync("UPDATE failed_messages SET state = 'retrying' WHERE exception_type = 'System.Crash'");
            retry = await fixture.ScalarAsync<long>("INSERT INTO retries (kind, selection, actor) VALUES ('manual', 'crash', 'tester') RETURNING id");
            await fixture.ExecuteAsync($"INSERT INTO retry_items (retry_id, failure_id, batch, state, sends, sent_at) VALUES ({retry}, {id}, 0, 'sending', 1, now())");
        }

        Assert.Equal("crash-1", (await TakeAsync("embedder")).BasicProperties.MessageId);
        var done = await StateAsync(retry, s => s.State == "done");
        Assert.Equal((1L, 1L), (done.Succeeded, done.DoubleSends));
        Assert.Equal(2, (await fixture.GetAsync<RetryItem[]>($"/api/retries/{retry}/items"))[0].Sends);
    }

    [Fact]
    public async Task An_edited_copy_is_sent_and_linked_and_locked_headers_stay()
    {
        var id = await FailAsync("codec", "System.Edit", body: Envelope(8002), headers: new() { ["free"] = "old" });
        var view = await fixture.GetAsync<FailureView>($"/api/failures/{id}");
        var headers = new JsonObject(view.Headers.Select(h => KeyValuePair.Create(h.Name, h.Value?.DeepClone())));
        headers["MT-Fault-Message"] = "changed";
        using (var refused = await fixture.Http.PostAsJsonAsync($"/api/failures/{id}/edit", new { body = view.Body, headers }))
        {
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("locked", await refused.Content.ReadAsStringAsync());
        }

        headers["MT-Fault-Message"] = view.Headers.Single(h => h.Name == "MT-Fault-Message").Value?.DeepClone();
        headers["free"] = "new";
        var edited = await fixture.PostAsync<EditStarted>($"/api/failures/{id}/edit", new { body = view.Body!.Replace("8002", "8003"), headers });
        var message = await TakeAsync("codec");

        Assert.Contains("8003", Encoding.UTF8.GetString(message.Body.Span));
        Assert.Equal("new", Encoding.UTF8.GetString((byte[])message.BasicProperties.Headers!["free"]!));
        await StateAsync(edited.Retry, s => s.State == "done");
        var original = await fixture.GetAsync<FailureView>($"/api/failures/{id}");
        Assert.Equal(("resolved", edited.Failure), (original.Summary.State, original.EditedTo[0]));
        Assert.Equal(id, (await fixture.GetAsync<FailureView>($"/api/failures/{edited.Failure}")).EditedFrom);
    }

    [Fact]
    public async Task Transient_failures_are_sent_again_when_due_unless_paused()
    {
        var id = await FailAsync("captioner", "System.TimeoutException", messageId: "due-1");
        await fixture.Http.PutAsJsonAsync("/api/retries/automatic", new { paused = true });
        await fixture.ExecuteAsync($"UPDATE failed_messages SET next_retry_at = now() WHERE id = {id}");
        await Task.Delay(TimeSpan.FromSeconds(6));
        Assert.Equal("failed", (await fixture.GetAsync<FailureView>($"/api/failures/{id}")).Summary.State);

        await fixture.Http.PutAsJsonAsync("/api/retries/automatic", new { paused = false });
        await FailAgainAsync(await TakeAsync("captioner", "due-1"), "System.TimeoutException");
        var view = await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<FailureView>($"/api/failures/{id}"), v => v.Summary.Attempts == 2);
        Assert.Equal("automatic", view.Retries[0].Kind);
        Assert.InRange((view.Summary.NextRetryAt!.Value - DateTimeOffset.UtcNow).TotalMinutes, 28, 31);
    }

    [Fact]
    public async Task Search_archive_restore_and_export()
    {
        await FailAsync("codec", "System.SearchA", body: """{"message":{"key":"holiday/Beach.jpg","bucket":"b"},"note":"needle"}""");
        await FailAsync("embedder", "System.SearchB", body: """{"message":{"key":"holiday/forest.jpg","bucket":"b"}}""");
        async Task<long> Count(string q) => (await fixture.GetAsync<FailureCount>("/api/failures/count?q=" + Uri.EscapeDataString(q))).Count;

        Assert.Equal(2, await Count("exception:System.Search"));
        Assert.Equal(1, await Count("exception:System.Search NOT forest"));
        Assert.Equal(1, await Count("exception:System.Search (key:BEACH OR endpoint:captioner)"));
        Assert.Equal(2, await Count("System.SearchA OR \"holiday/forest\""));
        Assert.Equal(1, await Count("body:needle"));
        Assert.Equal(0, await Count("body:System.SearchA"));
        Assert.Equal(1, await Count("exception:System.Search -body:needle"));
        Assert.Equal(0, await Count("100%_"));
        foreach (var wrong in (string[])["(a", "a)", "colour:red", "\"open", "NOT", "image:xyz"])
        {
            using var response = await fixture.Http.GetAsync("/api/failures?q=" + Uri.EscapeDataString(wrong));
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }

        Assert.Equal(1, (await fixture.PostAsync<Moved>("/api/failures/archive", new { q = "System.SearchA" })).Messages);
        Assert.Equal(1, await Count("exception:System.Search"));
        var lines = (await fixture.Http.GetStringAsync("/api/failures/export?state=any&q=exception:System.Search")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Select(l => JsonNode.Parse(l)!["summary"]!["id"]!.GetValue<long>()).Distinct().Count());
        Assert.Equal(1, (await fixture.PostAsync<Moved>("/api/failures/restore", new { q = "System.SearchA" })).Messages);
        using var everything = await fixture.Http.PostAsJsonAsync("/api/failures/archive", new { });
        Assert.Equal(HttpStatusCode.BadRequest, everything.StatusCode);
        Assert.Equal(2, await fixture.ScalarAsync<long>("SELECT count(*) FROM operator_log WHERE actor = 'tester' AND action IN ('archive', 'restore')"));
        Assert.Contains(await fixture.GetAsync<FailureGroup[]>("/api/failures/groups"), g => g.Name == "System.SearchB" && g.Count == 1);
    }

    private static string Envelope(long image) =>
        $$"""{"messageId":"{{Guid.NewGuid()}}","messageType":["urn:message:ImageSearch.Contracts:ImageIngested"],"message":{"image":{{image}} } }""";

    private async Task<long> FailAsync(string endpoint, string exception, string body = "{}", string? messageId = null, Dictionary<string, object?>? headers = null)
    {
        messageId ??= Guid.NewGuid().ToString();
        var all = new Dictionary<string, object?>(headers ?? [])
        {
            ["MT-Fault-ExceptionType"] = exception,
            ["MT-Fault-Message"] = "it failed",
            ["MT-Fault-Timestamp"] = DateTimeOffset.UtcNow.ToString("O"),
        };
        await fixture.PublishAsync(endpoint + "_error", Encoding.UTF8.GetBytes(body), all, messageId);
        return await OperatorFixture.EventuallyAsync(() => fixture.ScalarAsync<long>($"SELECT coalesce(max(id), 0) FROM failed_messages WHERE message_id = '{messageId}'"), id => id > 0);
    }

    private async Task<BasicGetResult> TakeAsync(string queue, string? messageId = null) =>
        (await OperatorFixture.EventuallyAsync(() => fixture.Channel.BasicGetAsync(queue, autoAck: true), m => m is not null && (messageId is null || m.BasicProperties.MessageId == messageId)))!;

    private async Task FailAgainAsync(BasicGetResult message, string exception)
    {
        var headers = new Dictionary<string, object?>(message.BasicProperties.Headers!)
        {
            ["MT-Fault-ExceptionType"] = exception,
            ["MT-Fault-Message"] = "it failed again",
            ["MT-Fault-Timestamp"] = DateTimeOffset.UtcNow.ToString("O"),
        };
        await fixture.PublishAsync(message.Exchange + "_error", message.Body.ToArray(), headers, message.BasicProperties.MessageId);
    }

    private Task<RetrySummary> StateAsync(long retry, Func<RetrySummary, bool> holds) =>
        OperatorFixture.EventuallyAsync(() => fixture.GetAsync<RetrySummary>($"/api/retries/{retry}"), holds);
}
