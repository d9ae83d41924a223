using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Serialization;
using ImageSearch.Hosting;
using ImageSearch.Operator.Retries;
using Microsoft.Extensions.Options;
using RabbitMQ.Client.Exceptions;

namespace ImageSearch.Operator.Pipeline;

/// <param name="Unanswered">Messages that a worker has in hand; null if only the broker's plain protocol could be asked.</param>
/// <param name="In">Messages published a second, or null.</param>
/// <param name="Out">Messages acknowledged a second, or null.</param>
public sealed record QueueState(string Name, long Ready, long? Unanswered, long Consumers, double? In, double? Out);

/// <summary>Depths and rates of queues, from RabbitMQ's management API, or depths alone from AMQP where no management API is configured.</summary>
public sealed class QueueInspector
{
    private readonly RetryPublisher broker;
    private readonly HttpClient? http;
    private readonly string vhost;

    public QueueInspector(RetryPublisher broker, IOptions<RabbitMqOptions> options)
    {
        this.broker = broker;
        var amqp = new Uri(options.Value.Uri);
        var path = Uri.UnescapeDataString(amqp.AbsolutePath.TrimStart('/'));
        vhost = path.Length == 0 ? "/" : path;
        if (options.Value.ManagementUri is { Length: > 0 } management)
        {
            var uri = new Uri(management);
            var user = Uri.UnescapeDataString(uri.UserInfo.Length > 0 ? uri.UserInfo : amqp.UserInfo);
            http = new HttpClient { BaseAddress = new UriBuilder(uri) { UserName = "", Password = "" }.Uri, Timeout = TimeSpan.FromSeconds(5) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(user)));
        }
    }

    /// <summary>How old an answer may be: the management API refreshes its numbers every 5 s.</summary>
    public TimeSpan Delay => http is null ? TimeSpan.FromMilliseconds(500) : TimeSpan.FromSeconds(6);

    /// <summary>Whether a queue has nothing waiting and, as far as can be known, nothing in hand.</summary>
    public async Task<bool> IsWorkedOffAsync(string queue, CancellationToken ct)
    {
        var state = await OfQueueAsync(queue, ct);
        return state is { Ready: 0, Unanswered: null or 0 };
    }

    public async Task<QueueState?> OfQueueAsync(string queue, CancellationToken ct)
    {
        await using var channel = await broker.OpenAsync(ct);
        try
        {
            var ok = await channel.QueueDeclarePassiveAsync(queue, ct);
            if (http is null || ok.MessageCount > 0)
            {
                return new(queue, ok.MessageCount, null, ok.ConsumerCount, null, null);
            }
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return null;
        }

        return (await AllAsync([queue], ct)).FirstOrDefault();
    }

    /// <summary>States of the named queues; those that do not exist are left out.</summary>
    public async Task<IReadOnlyList<QueueState>> AllAsync(IReadOnlyCollection<string> names, CancellationToken ct)
    {
        if (http is null)
        {
            List<QueueState> states = [];
            foreach (var name in names)
            {
                if (await OfQueueAsync(name, ct) is { } state)
                {
                    states.Add(state);
                }
            }

            return states;
        }

        var queues = await http.GetFromJsonAsync<ManagedQueue[]>($"/api/queues/{Uri.EscapeDataString(vhost)}", ct) ?? [];
        return [.. queues.Where(q => names.Contains(q.Name)).Select(q => new QueueState(q.Name, q.Ready, q.Unacknowledged, q.Consumers, q.Stats?.Publish?.Value ?? 0, q.Stats?.Ack?.Value ?? 0))];
    }

    private sealed record ManagedQueue(
        [property: JsonPropertyName("name")] string Name,
        [property: JsonPropertyName("messages_ready")] long Ready,
        [property: JsonPropertyName("messages_unacknowledged")] long Unacknowledged,
        [property: JsonPropertyName("consumers")] long Consumers,
        [property: JsonPropertyName("message_stats")] QueueStats? Stats);

    private sealed record QueueStats([property: JsonPropertyName("publish_details")] Rate? Publish, [property: JsonPropertyName("ack_details")] Rate? Ack);

    private sealed record Rate([property: JsonPropertyName("rate")] double Value);
}
