using System.Diagnostics;
using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using Npgsql;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Tests;

/// <summary>The operator as a process of its own, killed with SIGKILL while it works.</summary>
public sealed class KilledOperatorTests : IAsyncLifetime
{
    private const int Messages = 1500;

    private TestDatabase database = null!;
    private TestVirtualHost broker = null!;
    private TestBuckets buckets = null!;
    private NpgsqlDataSource db = null!;
    private IConnection connection = null!;

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        broker = await TestServers.VirtualHostAsync();
        buckets = TestServers.Buckets();
        db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
        await PipelineTopology.DeclareAsync(broker.Uri.ToString());
        connection = await new ConnectionFactory { Uri = broker.Uri }.CreateConnectionAsync();
    }

    public async Task DisposeAsync()
    {
        await connection.DisposeAsync();
        await db.DisposeAsync();
        await database.DisposeAsync();
        await broker.DisposeAsync();
        await buckets.DisposeAsync();
    }

    [Fact]
    public async Task Killed_while_it_stores_and_while_it_sends_it_loses_and_doubles_nothing()
    {
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        for (var first = 0; first < Messages; first += 500)
        {
            await Task.WhenAll(Enumerable.Range(first, 500).Select(i => channel.BasicPublishAsync("codec_error", "", true,
                new BasicProperties { Persistent = true, MessageId = $"m-{i}", Headers = new Dictionary<string, object?> { ["MT-Fault-ExceptionType"] = "System.Killed", ["MT-Fault-Timestamp"] = $"2026-01-01T00:00:00.{i:0000}Z" } },
                Encoding.UTF8.GetBytes($"{{\"n\":{i}}}")).AsTask()));
        }

        // Storing: killed three times on the way, at different points.
        foreach (var stored in (int[])[1, 400, 1000])
        {
            using var victim = Start();
            await UntilAsync(async () => await CountAsync("SELECT count(*) FROM failed_messages") >= stored);
            Kill(victim);
        }

        using (var survivor = Start())
        {
            await UntilAsync(async () => await CountAsync("SELECT count(*) FROM failed_messages") >= Messages && await channel.MessageCountAsync("codec_error") == 0);
            Kill(survivor);
        }

        Assert.Equal(Messages, await CountAsync("SELECT count(*) FROM failed_messages"));
        Assert.Equal(Messages, await CountAsync("SELECT count(DISTINCT message_id) FROM failed_messages"));
        Assert.Equal(Messages, await CountAsync("SELECT count(*) FROM failure_attempts"));

        // Sending: every message goes out; those that went twice are exactly those that the retry says.
        var retries = new RetryCatalog(db);
        var (retry, _) = (await retries.StartAsync("manual", "all", null, null, rate: 2000, "tester"))!.Value;
        foreach (var sent in (int[])[1, 700])
        {
            using var victim = Start();
            await UntilAsync(async () => await CountAsync("SELECT count(*) FROM retry_items WHERE state IN ('sending', 'sent', 'succeeded')") >= sent);
            Kill(victim);
        }

        using var last = Start();
        await UntilAsync(async () => await CountAsync("SELECT count(*) FROM retry_items WHERE state IN ('pending', 'sending')") == 0);
        Dictionary<string, int> received = [];
        while (await channel.BasicGetAsync("codec", autoAck: true) is { } message)
        {
            received[message.BasicProperties.MessageId!] = received.GetValueOrDefault(message.BasicProperties.MessageId!) + 1;
        }

        await UntilAsync(async () => (await retries.FindAsync(retry))!.State == "done");
        Kill(last);
        Assert.Equal(Messages, received.Count);
        var summary = (await retries.FindAsync(retry))!;
        Assert.Equal(Messages, summary.Succeeded);
        Assert.True(received.Values.Count(n => n > 1) <= summary.DoubleSends, $"{received.Values.Count(n => n > 1)} came twice, {summary.DoubleSends} are noted.");
    }

    private Process Start()
    {
        var start = new ProcessStartInfo("dotnet", [typeof(OperatorOptions).Assembly.Location]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in (IEnumerable<(string, string)>)
            [("Postgres__ConnectionString", database.ConnectionString), ("RabbitMq__Uri", broker.Uri.ToString()), ("ObjectStore__Endpoint", buckets.Endpoint), ("ObjectStore__AccessKey", buckets.AccessKey),
             ("ObjectStore__SecretKey", buckets.SecretKey), ("Operator__AuditEvery", "00:00:00"), ("Operator__RetrySettle", "00:00:01"), ("Urls", "http://127.0.0.1:0"), ("Logging__LogLevel__Default", "Warning")])
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static void Kill(Process process)
    {
        process.Kill();
        process.WaitForExit();
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var command = db.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        for (var tries = 0; !await holds(); tries++)
        {
            Assert.True(tries < 6000, "Nothing moved for two minutes.");
            await Task.Delay(20);
        }
    }
}
