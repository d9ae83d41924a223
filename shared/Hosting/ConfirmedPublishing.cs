using MassTransit;

namespace ImageSearch.Hosting;

/// <summary>Publishing that comes to an end.</summary>
public static class ConfirmedPublishing
{
    /// <summary>
    /// The broker confirms within milliseconds. A confirmation that is awaited on a connection breaking at that moment may never come (seen with RabbitMQ.Client 7.2.2: the
    /// publisher waits on while everything else has long been connected again), and a worker that waits for ever has one place less.
    /// </summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Publishes a message and returns when the broker has it.</summary>
    /// <exception cref="TimeoutException">The broker has not confirmed within <see cref="Limit"/>. It may have the message all the same; every consumer of the pipeline is idempotent, so it is published again.</exception>
    public static async Task PublishConfirmedAsync<T>(this IPublishEndpoint endpoint, T message, CancellationToken ct)
        where T : class
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limited.CancelAfter(Limit);
        try
        {
            await endpoint.Publish(message, limited.Token);
        }
        catch (Exception e) when (limited.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new TimeoutException($"The broker has not confirmed {typeof(T).Name} within {Limit.TotalSeconds:0} s.", e);
        }
    }
}
