using ImageSearch.Contracts;
using RabbitMQ.Client;

namespace ImageSearch.Hosting;

/// <summary>
/// Declares every exchange, queue and binding of the pipeline before anyone publishes: a message published before its queue is bound is lost.
/// Names and arguments are those that MassTransit itself declares for the same endpoints, so the two agree.
/// </summary>
public static class PipelineTopology
{
    private static readonly IReadOnlyDictionary<string, Type[]> Bindings = new Dictionary<string, Type[]>
    {
        [Queues.IngestRejections] = [typeof(ImageRejected)],
        [Queues.Codec] = [typeof(ImageIngested), typeof(ImageReprocessRequested)],
        [Queues.CodecRemovals] = [typeof(ImageRemoved)],
        [Queues.Embedder] = [typeof(ImageEncoded), typeof(ImageReprocessRequested)],
        [Queues.Captioner] = [typeof(ImageIngested), typeof(ImageReprocessRequested)],
        [Queues.OperatorTimeline] =
        [
            typeof(ImageIngested), typeof(ImageRejected), typeof(ImageRemoved), typeof(ImageEncoded),
            typeof(ImageEmbedded), typeof(ImageCaptioned), typeof(ImageReprocessRequested),
        ],
    };

    /// <summary>Arguments of a work queue: replicated, and what was delivered too often goes to <see cref="Queues.DeadLetters"/> without loss.</summary>
    public static IReadOnlyDictionary<string, object?> QueueArguments { get; } = new Dictionary<string, object?>
    {
        ["x-queue-type"] = "quorum",
        ["x-delivery-limit"] = 20,
        ["x-dead-letter-exchange"] = Queues.DeadLetters,
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-overflow"] = "reject-publish",
    };

    /// <exception cref="RabbitMQ.Client.Exceptions.OperationInterruptedException">A queue exists with other arguments: it must be emptied and deleted first.</exception>
    public static async Task DeclareAsync(string uri, CancellationToken ct = default)
    {
        var factory = new ConnectionFactory { Uri = new Uri(uri), ClientProvidedName = "imagesearch topology" };
        await using var connection = await factory.CreateConnectionAsync(ct);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: ct);
        await channel.ExchangeDeclareAsync(Queues.S3EventsExchange, ExchangeType.Topic, durable: true, cancellationToken: ct);
        await channel.ExchangeDeclareAsync(Queues.DeadLetters, ExchangeType.Fanout, durable: true, cancellationToken: ct);
        await channel.QueueDeclareAsync(Queues.DeadLetters, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-delivery-limit"] = -1 }, cancellationToken: ct);
        await channel.QueueBindAsync(Queues.DeadLetters, Queues.DeadLetters, "", cancellationToken: ct);

        foreach (var queue in Queues.Pipeline)
        {
            foreach (var name in (string[])[queue, queue + "_error", queue + "_skipped"])
            {
                await channel.ExchangeDeclareAsync(name, ExchangeType.Fanout, durable: true, cancellationToken: ct);
                await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>(QueueArguments), cancellationToken: ct);
                await channel.QueueBindAsync(name, name, "", cancellationToken: ct);
            }

            foreach (var message in Bindings.GetValueOrDefault(queue, []))
            {
                var exchange = ExchangeOf(message);
                await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true, cancellationToken: ct);
                await channel.ExchangeBindAsync(queue, exchange, "", cancellationToken: ct);
            }
        }

        // Removals once came to the codec's own queue; what nobody reads there any more would end among the messages that nobody understands.
        await channel.ExchangeUnbindAsync(Queues.Codec, ExchangeOf(typeof(ImageRemoved)), "", cancellationToken: ct);
        await channel.ExchangeBindAsync(Queues.IngestS3Events, Queues.S3EventsExchange, "#", cancellationToken: ct);
    }

    /// <summary>The exchange that MassTransit publishes a message to.</summary>
    private static string ExchangeOf(Type message) => $"{message.Namespace}:{message.Name}";
}
