using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using RabbitMQ.Client;

namespace ImageSearch.Cli.Operating;

/// <summary>
/// <c>imagesearch chaos --pictures N</c>: pictures arrive at a local stack while each of its processes in turn is killed and started again,
/// notifications are dropped, repeated and invented. At the end every picture must have exactly one of everything.
/// </summary>
public static class ChaosCommand
{
    public static Command Create()
    {
        var pictures = new Option<int>("--pictures") { Description = "Pictures that arrive, 16 or more.", DefaultValueFactory = _ => 60 };
        var seed = new Option<int?>("--seed") { Description = "Repeats a run; without it a new one is chosen and printed." };
        var pace = new Option<int>("--pace") { Description = "Milliseconds between steps.", DefaultValueFactory = _ => 300 };
        var minutes = new Option<int>("--timeout") { Description = "Minutes for everything to settle at the end.", DefaultValueFactory = _ => 20 };
        var folder = new Option<string>("--checkout") { Description = "Folder that the local stack runs from.", DefaultValueFactory = _ => Environment.GetEnvironmentVariable("IMAGESEARCH_CHECKOUT") ?? "." };
        var command = new Command("chaos", "Kill a local stack's processes while pictures arrive, and check that nothing is lost or doubled.") { pictures, seed, pace, minutes, folder };
        command.SetAction((r, ct) => RunAsync(Math.Max(16, r.GetValue(pictures)), r.GetValue(seed) ?? Random.Shared.Next(1, 1_000_000), r.GetValue(pace), TimeSpan.FromMinutes(r.GetValue(minutes)), r.GetValue(folder)!, ct));
        return command;
    }

    private static async Task<int> RunAsync(int pictures, int seed, int pace, TimeSpan timeout, string folder, CancellationToken ct)
    {
        var processes = new LocalProcesses(folder);
        processes.Check();
        Console.WriteLine($"chaos --pictures {pictures} --seed {seed}");
        var plan = new ChaosPlan(seed, pictures);
        using var store = new ObjectStore(CliSettings.ObjectStore);
        var restart = Task.CompletedTask;
        foreach (var step in plan.Steps)
        {
            if (step.Act == ChaosAct.Kill)
            {
                await restart;
                Console.WriteLine($"{DateTimeOffset.Now:HH:mm:ss} kill -9 {step.Target}{(await processes.KillAsync(step.Target, ct) ? "" : " (it does not run here)")}");
                restart = RestartAsync(processes, ct);
            }
            else
            {
                await StubbornlyAsync(() => ActAsync(store, plan, seed, step, ct), ct);
            }

            await Task.Delay(pace, ct);
        }

        await restart;
        await processes.StartMissingAsync(ct);
        var expected = plan.Expected.ToDictionary(e => e.Key, e => ImageId.Of(plan.Content(seed, e.Value)));
        return await SettleAsync(store, plan, expected, timeout, ct);
    }

    private static async Task RestartAsync(LocalProcesses processes, CancellationToken ct)
    {
        await Task.Delay(3000, ct);
        await processes.StartMissingAsync(ct);
    }

    private static async Task ActAsync(ObjectStore store, ChaosPlan plan, int seed, ChaosStep step, CancellationToken ct)
    {
        var bucket = store.Options.UploadBucket;
        switch (step.Act)
        {
            case ChaosAct.Put or ChaosAct.Twin or ChaosAct.Overwrite:
                await store.PutAsync(bucket, step.Key, plan.Content(seed, step.Picture), "image/png", ct);
                break;
            case ChaosAct.Delete:
                await store.DeleteAsync(bucket, step.Key, ct);
                break;
            default:
                var factory = new ConnectionFactory { Uri = new Uri(CliSettings.RabbitMq.Uri), AutomaticRecoveryEnabled = false };
                await using (var connection = await factory.CreateConnectionAsync(ct))
                await using (var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), ct))
                {
                    if (step.Act == ChaosAct.DropEvents)
                    {
                        for (var i = 0; i < 3; i++)
                        {
                            await channel.BasicGetAsync(Queues.IngestS3Events, autoAck: true, ct);
                        }
                    }
                    else
                    {
                        var name = step.Act == ChaosAct.FalseRemoval ? "ObjectRemoved:Delete" : "ObjectCreated:Put";
                        var body = JsonSerializer.SerializeToUtf8Bytes(new { Records = new[] { new { eventSource = "ceph:s3", eventName = name, s3 = new { bucket = new { name = bucket }, @object = new { key = step.Key } } } } });
                        await channel.BasicPublishAsync(Queues.S3EventsExchange, "chaos", mandatory: true, new BasicProperties { Persistent = true }, body, ct);
                    }
                }

                break;
        }
    }

    // A client of a system that is being killed tries again until it is through.
    private static async Task StubbornlyAsync(Func<Task> act, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await act();
                return;
            }
            catch (Exception e) when (e is not (CliException or OperationCanceledException { CancellationToken.IsCancellationRequested: true }) && tries < 240)
            {
                await Task.Delay(1000, ct);
            }
        }
    }

    private static async Task<int> SettleAsync(ObjectStore store, ChaosPlan plan, Dictionary<string, ImageId> expected, TimeSpan timeout, CancellationToken ct)
    {
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
        using var client = new OperatorClient();
        var verdict = new ChaosVerdict(db, store);
        var start = Stopwatch.GetTimestamp();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(timeout);
        var doing = "";
        List<string> wrong = [];
        for (var round = 1; !limit.IsCancellationRequested; round++)
        {
            try
            {
                await IdleAsync(client, queues => doing = queues, limit.Token);
                doing = "the retry of failed messages did not end; see `imagesearch retries list`";
                var retried = await RetryAsync(client, limit.Token);
                doing = "the audit did not end; see `imagesearch audit list`";
                var findings = await AuditAsync(client, limit.Token);
                await IdleAsync(client, queues => doing = queues, limit.Token);
                doing = "something was always found anew";
                wrong = await verdict.JudgeAsync(plan.Prefix, expected, limit.Token);
                Console.WriteLine($"{DateTimeOffset.Now:HH:mm:ss} round {round}: {retried} failed messages sent again, {findings} findings, {wrong.Count} things wrong");
                if (retried == 0 && findings == 0 && wrong.Count == 0)
                {
                    Console.WriteLine($"{expected.Count} keys, {expected.Values.Distinct().Count()} pictures: every one has exactly one of everything, no message is left, the audit is clean. Settled in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s.");
                    return 0;
                }
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e) when (e is HttpRequestException or Npgsql.NpgsqlException or CliException or JsonException or TaskCanceledException && !ct.IsCancellationRequested)
            {
                Console.WriteLine($"{DateTimeOffset.Now:HH:mm:ss} round {round}: {e.Message}");
                doing = e.Message;
                await Task.Delay(5000, ct);
            }
        }

        wrong.ForEach(Console.WriteLine);
        throw new CliException($"It did not settle within {timeout.TotalMinutes:0} min: {doing}.");
    }

    private static async Task IdleAsync(OperatorClient client, Action<string> tell, CancellationToken ct)
    {
        // Three looks in a row, since the broker's numbers are up to 5 s old and one stage feeds the next.
        for (var quiet = 0; quiet < 3; await Task.Delay(3000, ct))
        {
            var state = await client.GetAsync<JsonNode>("/api/pipeline", ct);
            var open = state["stages"]!.AsArray().Select(s => (Name: s!["queue"]!.ToString(), Ready: s["backlog"]!.GetValue<long>(), InHand: s["inFlight"]?.GetValue<long>() ?? 0))
                .Append((Name: "failures that are not stored yet", Ready: state["unstoredFailures"]!.GetValue<long>(), InHand: 0)).Where(q => q.Ready + q.InHand > 0).ToList();
            quiet = open.Count == 0 ? quiet + 1 : 0;
            tell($"the queues did not come to rest ({string.Join("; ", open.Select(q => $"{q.Name}: {q.Ready} waiting, {q.InHand} in hand"))})");
        }
    }

    private static async Task<long> RetryAsync(OperatorClient client, CancellationToken ct)
    {
        if ((await client.GetAsync<JsonNode>("/api/failures/count", ct))["count"]!.GetValue<long>() == 0)
        {
            return 0;
        }

        var started = (await client.PostAsync("/api/failures/retry", new { all = true, rate = 50 }, ct))!;
        await RetriesCommand.WatchAsync(client, started["retry"]!.GetValue<long>(), json: false, ct);
        return started["messages"]!.GetValue<long>();
    }

    private static async Task<long> AuditAsync(OperatorClient client, CancellationToken ct)
    {
        var id = (await client.PostAsync("/api/audits", new { deep = true, repair = true, graceSeconds = 0 }, ct))!["audit"]!.GetValue<long>();
        JsonNode report;
        do
        {
            await Task.Delay(1000, ct);
            report = await client.GetAsync<JsonNode>($"/api/audits/{id}", ct);
        }
        while (report["audit"]!["state"]!.ToString() is "running" or "repairing");

        // Orphans younger than an hour are left alone by design: whoever made them may still be about to register them.
        return report["findings"]!.AsArray().Where(f => f!["kind"]!.ToString() != FindingKinds.DerivedOrphan).Sum(f => f!["found"]!.GetValue<long>());
    }
}
