using System.Collections.Concurrent;
using System.Text;
using ImageSearch.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace ImageSearch.Benchmarks.Operator;

/// <summary>Failed messages as MassTransit leaves them: an envelope of about 1 KB, 15 headers, a stack of 20 frames.</summary>
internal static class Messages
{
    private static readonly string[] Endpoints = [Queues.Codec, Queues.Embedder, Queues.Captioner];
    private static readonly string[] Reasons = ["deadlock detected", "timeout while reading the stream", "out of memory"];

    public static async Task FillAsync(IConnection connection, int count)
    {
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        for (var first = 0; first < count; first += 500)
        {
            await Task.WhenAll(Enumerable.Range(first, Math.Min(500, count - first)).Select(i => PublishAsync(channel, i)));
        }
    }

    private static async Task PublishAsync(IChannel channel, int i)
    {
        var endpoint = Endpoints[i % 3];
        var id = ImageId.Of(BitConverter.GetBytes(i));
        var stack = new StringBuilder();
        for (var frame = 0; frame < 20; frame++)
        {
            stack.AppendLine($"   at {(frame == 4 ? $"ImageSearch.Worker.Step{i % 7}.RunAsync" : $"Library.Layer{frame}.InvokeAsync")}(Object argument, CancellationToken ct) in /src/Layer{frame}.cs:line {frame + 10}");
        }

        var message = $$"""
            {"messageId":"{{Guid.NewGuid()}}","conversationId":"{{Guid.NewGuid()}}","sourceAddress":"rabbitmq://broker/ingest","destinationAddress":"rabbitmq://broker/ImageSearch.Contracts:ImageIngested",
            "messageType":["urn:message:ImageSearch.Contracts:ImageIngested"],"message":{"image":{{i}},"id":"{{id}}","bucket":"images","key":"holiday/picture-{{i}}.jpg","at":"2026-01-01T00:00:00Z"},
            "sentTime":"2026-01-01T00:00:00Z","headers":{"MT-Activity-Id":"00-{{Guid.NewGuid():N}}-0123456789abcdef-01"},"host":{"machineName":"worker","processName":"ImageSearch.Codec","frameworkVersion":"10.0.0"} }
            """;
        await channel.BasicPublishAsync(endpoint + "_error", "", mandatory: true, new BasicProperties
        {
            Persistent = true,
            MessageId = Guid.NewGuid().ToString(),
            ContentType = "application/vnd.masstransit+json",
            Headers = new Dictionary<string, object?>
            {
                ["MT-Reason"] = "fault",
                ["MT-Fault-ExceptionType"] = "System.InvalidOperationException",
                ["MT-Fault-Message"] = Reasons[i % 3],
                ["MT-Fault-StackTrace"] = stack.ToString(),
                ["MT-Fault-Timestamp"] = DateTimeOffset.UtcNow.AddMilliseconds(-i).ToString("O"),
                ["MT-Fault-ConsumerType"] = "ImageSearch.Worker.Consumer",
                ["MT-Fault-MessageType"] = "ImageSearch.Contracts.ImageIngested",
                ["MT-Fault-InputAddress"] = "rabbitmq://broker/" + endpoint,
                ["MT-Fault-RetryCount"] = 3,
                ["MT-Host-MachineName"] = "worker",
                ["MT-Host-ProcessName"] = "ImageSearch.Codec",
                ["MT-Host-ProcessId"] = "1",
                ["MT-Host-Assembly"] = "ImageSearch.Codec",
                ["MT-Host-AssemblyVersion"] = "1.0.0",
                ["publishId"] = "1",
            },
        }, Encoding.UTF8.GetBytes(message));
    }
}

/// <summary>Counts what arrives, and how many of it is different by message id.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, int> seen = new();
    private readonly IChannel channel;

    private Receiver(IChannel channel) => this.channel = channel;

    public int Different => seen.Count;

    public int All => seen.Values.Sum();

    public static async Task<Receiver> StartAsync(IConnection connection, IEnumerable<string> queues)
    {
        var receiver = new Receiver(await connection.CreateChannelAsync());
        await receiver.channel.BasicQosAsync(0, 200, false);
        foreach (var queue in queues)
        {
            var consumer = new AsyncEventingBasicConsumer(receiver.channel);
            consumer.ReceivedAsync += async (_, d) =>
            {
                receiver.seen.AddOrUpdate(d.BasicProperties.MessageId ?? "", 1, (_, n) => n + 1);
                await receiver.channel.BasicAckAsync(d.DeliveryTag, false);
            };
            await receiver.channel.BasicConsumeAsync(queue, autoAck: false, consumer);
        }

        return receiver;
    }

    public ValueTask DisposeAsync() => channel.DisposeAsync();
}
