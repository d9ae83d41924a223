using System.Threading.Channels;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace ImageSearch.Operator.Failures;

/// <summary>
/// Moves failed messages from the error queues to PostgreSQL. A message is acknowledged only after the commit; if anything dies before, it is
/// delivered again and storing it again changes nothing. While PostgreSQL does not answer, messages are held, not returned: every return would
/// count against the delivery limit of the queue.
/// </summary>
public sealed class ErrorQueueReader(
    FailureCatalog failures, IOptions<RabbitMqOptions> rabbit, IOptions<OperatorOptions> options, TimeProvider time, ILogger<ErrorQueueReader> log) : BackgroundService
{
    // RabbitMQ closes a channel whose messages are unanswered for 30 minutes.
    private static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(20);

    private readonly FailureReader reader = new(options.Value.TransientExceptionsInForce);

    public static IReadOnlyList<string> SourceQueues { get; } = [.. Queues.Pipeline.SelectMany(q => (string[])[q + "_error", q + "_skipped"]), Queues.DeadLetters];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await PipelineTopology.DeclareAsync(rabbit.Value.Uri, stoppingToken);
                await ConsumeAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.LogWarning("Reading the error queues stopped and starts again in 2 s: {Reason}", e.Message);
                await Task.Delay(TimeSpan.FromSeconds(2), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ConsumeAsync(CancellationToken ct)
    {
        // A broken connection is given up whole: what was not acknowledged comes again.
        var factory = new ConnectionFactory { Uri = new Uri(rabbit.Value.Uri), ClientProvidedName = "imagesearch operator failures", AutomaticRecoveryEnabled = false };
        await using var connection = await factory.CreateConnectionAsync(ct);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var queues = SourceQueues.Select(q => ConsumeQueueAsync(connection, q, stop.Token)).ToList();
        try
        {
            await await Task.WhenAny(queues);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(queues).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ConsumeQueueAsync(IConnection connection, string queue, CancellationToken ct)
    {
        var prefetch = options.Value.ErrorPrefetch;
        await using var channel = await connection.CreateChannelAsync(cancellationToken: ct);
        await channel.BasicQosAsync(0, (ushort)prefetch, global: false, ct);
        var deliveries = Channel.CreateUnbounded<(ulong Tag, NewFailure Failure)>(new() { SingleReader = true, SingleWriter = true });
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, d) =>
        {
            // The client reuses the buffer of the body.
            deliveries.Writer.TryWrite((d.DeliveryTag, reader.Read(queue, d.Body.ToArray(), d.BasicProperties, d.Redelivered, time.GetUtcNow())));
            return Task.CompletedTask;
        };
        channel.ChannelShutdownAsync += (_, e) => Complete(e.ReplyText);
        consumer.UnregisteredAsync += (_, _) => Complete("the broker ended the consumer");
        await channel.BasicConsumeAsync(queue, autoAck: false, consumer, ct);

        List<NewFailure> batch = [];
        while (await deliveries.Reader.WaitToReadAsync(ct))
        {
            ulong last = 0;
            while (batch.Count < prefetch && deliveries.Reader.TryRead(out var delivery))
            {
                (last, var failure) = delivery;
                batch.Add(failure);
            }

            await StoreAsync(batch, ct);
            await channel.BasicAckAsync(last, multiple: true, ct);
            batch.Clear();
        }

        throw new IOException($"{queue}: {channel.CloseReason?.ReplyText ?? "the channel was closed"}");

        Task Complete(string reason)
        {
            deliveries.Writer.TryComplete(new IOException($"{queue}: {reason}"));
            return Task.CompletedTask;
        }
    }

    private async Task StoreAsync(IReadOnlyList<NewFailure> batch, CancellationToken ct)
    {
        var start = time.GetTimestamp();
        for (var pause = TimeSpan.FromMilliseconds(200); ; pause = TimeSpan.FromSeconds(Math.Min(pause.TotalSeconds * 2, 10)))
        {
            try
            {
                await failures.StoreAsync(batch, options.Value.AutomaticDelaysInForce, ct);
                return;
            }
            catch (PostgresException e) when (e.SqlState.StartsWith("22", StringComparison.Ordinal) || e.SqlState.StartsWith("54", StringComparison.Ordinal))
            {
                // One message holds what PostgreSQL cannot store: keep it from holding up the others.
                if (batch.Count == 1)
                {
                    await failures.StoreAsync([WithoutFrills(batch[0], e)], options.Value.AutomaticDelaysInForce, ct);
                    return;
                }

                foreach (var one in batch)
                {
                    await StoreAsync([one], ct);
                }

                return;
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException && time.GetElapsedTime(start) < LongestHold)
            {
                // Includes a unique violation by another operator that stores the same delivery: the next try leaves it out.
                log.LogWarning("{Count} failed messages wait for PostgreSQL: {Reason}", batch.Count, e.Message);
                await Task.Delay(pause, time, ct);
            }
        }
    }

    private static NewFailure WithoutFrills(NewFailure f, PostgresException e) => f with
    {
        ExceptionType = "Unstorable",
        ExceptionMessage = $"Only the body could be kept: {e.MessageText}",
        StackTrace = "",
        FirstFrame = "",
        MessageId = null,
        MessageType = null,
        Bucket = null,
        Key = null,
        TraceId = null,
        Properties = "{}",
        Headers = "{}",
        SearchText = "",
        Transient = false,
    };
}
