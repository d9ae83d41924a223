using System.Diagnostics;
using System.Globalization;
using ImageSearch.Benchmarks.Operator;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Operator;
using ImageSearch.Operator.Failures;
using ImageSearch.Operator.Pipeline;
using ImageSearch.Operator.Retries;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using RabbitMQ.Client;

// Usage: IMAGESEARCH_TEST_POSTGRES=... IMAGESEARCH_TEST_RABBITMQ=... IMAGESEARCH_TEST_RABBITMQ_MANAGEMENT=... dotnet run -c Release --project benchmarks/Operator [-- 10000]
// Puts failed messages into an error queue, then measures storing them, pages of the list, and a retry of all in canary batches to a consumer that
// counts what it gets. Prints a Markdown table.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var count = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 10_000;
await using var database = await TestServers.DatabaseAsync();
await using var host = await TestServers.VirtualHostAsync();
await using var db = NpgsqlDataSource.Create(database.ConnectionString);
await Migrator.MigrateAsync(db);
await PipelineTopology.DeclareAsync(host.Uri.ToString());
var rabbit = Options.Create(new RabbitMqOptions { Uri = host.Uri.ToString() });
var options = Options.Create(new OperatorOptions { RetrySettle = TimeSpan.FromSeconds(1) });
await using var connection = await new ConnectionFactory { Uri = host.Uri }.CreateConnectionAsync();
await Messages.FillAsync(connection, count);

var reader = new ErrorQueueReader(new FailureCatalog(db), rabbit, options, TimeProvider.System, NullLogger<ErrorQueueReader>.Instance);
await reader.StartAsync(default);
var queries = new FailureQueries(db);

// Connecting and declaring the topology is not part of it.
long before;
while ((before = await queries.CountAsync(null, null)) == 0)
{
    await Task.Delay(5);
}

var start = Stopwatch.GetTimestamp();
while (await queries.CountAsync(null, null) < count)
{
    await Task.Delay(20);
}

var stored = Stopwatch.GetElapsedTime(start);
await reader.StopAsync(default);
await using (var analyze = db.CreateCommand("VACUUM ANALYZE failed_messages, failure_texts"))
{
    await analyze.ExecuteNonQueryAsync();
}

Console.WriteLine($"| {count:N0} failed messages | |\n|---|---|\n| stored | {(count - before) / stored.TotalSeconds:N0} a second |");
foreach (var (name, search) in ((string, string?)[])
    [("every page of 50, in order", null), ("pages of endpoint:codec", "endpoint:codec"), ("pages of a word in a third of them", "deadlock"),
     ("first page of a word in one of them", "picture-4711.jpg"), ("first page of (a OR b) NOT c", "(deadlock OR timeout) NOT embedder"), ("first page of a word in none", "nowhere-to-be-found")])
{
    var times = await PagesAsync(queries, search);
    Console.WriteLine($"| {name}: p50, p99, worst of {times.Count} | {times[times.Count / 2]:0.0}, {times[(int)(times.Count * 0.99)]:0.0}, {times[^1]:0.0} ms |");
}

start = Stopwatch.GetTimestamp();
await queries.GroupsAsync("cause", "failed", null);
Console.WriteLine($"| groups by cause | {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0.0} ms |");

await using var publisher = new RetryPublisher(rabbit);
var retries = new RetryCatalog(db);
var dispatcher = new RetryDispatcher(retries, publisher, new QueueInspector(publisher, rabbit), options, TimeProvider.System, NullLogger<RetryDispatcher>.Instance);
await using var receiver = await Receiver.StartAsync(connection, [Queues.Codec, Queues.Embedder, Queues.Captioner]);
start = Stopwatch.GetTimestamp();
var retry = (await retries.StartAsync("manual", "all", null, null, null, "benchmark"))!.Value;
var prepared = Stopwatch.GetElapsedTime(start);
await dispatcher.StartAsync(default);
while ((await retries.FindAsync(retry.Retry))!.State == "running")
{
    await Task.Delay(200);
}

var summary = (await retries.FindAsync(retry.Retry))!;
Console.WriteLine($"| retry of all, prepared | {prepared.TotalMilliseconds:0} ms |");
Console.WriteLine($"| retry of all, {summary.Batches} canary batches (1 s settling each) | {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {summary.Succeeded:N0} done, {summary.Failed} failed, {receiver.Different:N0} different messages in {receiver.All:N0} deliveries |");
await dispatcher.StopAsync(default);

static async Task<List<double>> PagesAsync(FailureQueries queries, string? search)
{
    List<double> times = [];
    for (var round = 0; round < 5; round++)
    {
        string? after = null;
        do
        {
            var begin = Stopwatch.GetTimestamp();
            var page = await queries.ListAsync("failed", search, after, 50);
            times.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            after = page.Next;
        }
        while (after is not null);
    }

    times.Sort();
    return times;
}
