using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using ImageSearch.Hosting;
using ImageSearch.Operator.Failures;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Retries;

/// <summary>Publishes raw messages with confirmation, and looks at queues, over one connection that is opened when needed.</summary>
public sealed class RetryPublisher(IOptions<RabbitMqOptions> rabbit) : IAsyncDisposable
{
    private static readonly string[] Stripped = ["MT-Fault-", "MT-Host-", "MT-Reason", "MT-Redelivery-Count", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-dotnet-pub-seq-no"];

    private readonly SemaphoreSlim gate = new(1, 1);
    private IConnection? connection;

    /// <summary>Whether a header belongs to an earlier failure or delivery and must not go out again: the broker and the bus would count it.</summary>
    public static bool IsStripped(string header) => Stripped.Any(s => header.StartsWith(s, StringComparison.OrdinalIgnoreCase));

    /// <summary>Sends a failed message to its own queue.</summary>
    /// <exception cref="RabbitMQ.Client.Exceptions.PublishException">No queue took it.</exception>
    public static async Task PublishAsync(IChannel channel, OutgoingRetry message, CancellationToken ct)
    {
        var headers = HeaderJson.FromJson(JsonNode.Parse(message.Headers)!.AsObject()).Where(h => !IsStripped(h.Key)).ToDictionary();
        headers[FailureReader.RetryOfHeader] = message.Failure.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var original = JsonNode.Parse(message.Properties)!.AsObject();
        var properties = new BasicProperties
        {
            Persistent = true,
            Headers = headers,
            ContentType = HeaderJson.Text(original, "contentType"),
            ContentEncoding = HeaderJson.Text(original, "contentEncoding"),
            MessageId = HeaderJson.Text(original, "messageId"),
            CorrelationId = HeaderJson.Text(original, "correlationId"),
            Type = HeaderJson.Text(original, "type"),
        };
        await channel.BasicPublishAsync(message.Endpoint, "", mandatory: true, properties, message.Body, ct);
    }

    /// <summary>A channel that waits for the broker's confirmation of every message.</summary>
    public async Task<IChannel> OpenAsync(CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            if (connection is not { IsOpen: true })
            {
                if (connection is not null)
                {
                    await connection.DisposeAsync();
                }

                var factory = new ConnectionFactory { Uri = new Uri(rabbit.Value.Uri), ClientProvidedName = "imagesearch operator", AutomaticRecoveryEnabled = false };
                connection = await factory.CreateConnectionAsync(ct);
            }

            return await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), ct);
        }
        finally
        {
            gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (connection is not null)
        {
            await connection.DisposeAsync();
        }

        gate.Dispose();
    }
}
