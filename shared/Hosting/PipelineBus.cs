using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ImageSearch.Hosting;

/// <summary>How a work queue is consumed.</summary>
/// <param name="Prefetch">Messages that the broker hands out unanswered.</param>
/// <param name="Concurrency">Messages worked on at once.</param>
/// <param name="Retry">Which failures are worth another try within the process; null retries all. The others go to the error queue at once.</param>
public sealed record EndpointSettings(int Prefetch, int Concurrency, Func<Exception, bool>? Retry = null);

/// <summary>MassTransit over RabbitMQ with the pipeline's rules: quorum queues, confirmed and mandatory publishing, short retries, error queues, kill switch.</summary>
public static class PipelineBus
{
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5)];

    /// <param name="consumers">Registers consumers.</param>
    /// <param name="endpoints">Configures receive endpoints, with <see cref="WorkQueue"/>.</param>
    public static IServiceCollection AddPipelineBus(
        this IServiceCollection services,
        Action<IBusRegistrationConfigurator>? consumers = null,
        Action<IBusRegistrationContext, IRabbitMqBusFactoryConfigurator>? endpoints = null)
    {
        services.AddMassTransit(x =>
        {
            consumers?.Invoke(x);
            x.UsingRabbitMq((context, cfg) =>
            {
                var options = context.GetRequiredService<IOptions<RabbitMqOptions>>().Value;
                cfg.Host(new Uri(options.Uri), h =>
                {
                    h.PublisherConfirmation = true;
                    h.ConnectionName(AppDomain.CurrentDomain.FriendlyName);
                });

                // A message that no queue is bound for comes back as an error instead of vanishing.
                cfg.ConfigurePublish(p => p.UseExecute(c =>
                {
                    if (c.TryGetPayload<RabbitMqSendContext>(out var rabbit))
                    {
                        rabbit.Mandatory = true;
                    }
                }));
                endpoints?.Invoke(context, cfg);
            });
        });

        // Stopping finishes the messages in hand before the host goes down.
        services.AddOptions<MassTransitHostOptions>().Configure(o =>
        {
            o.WaitUntilStarted = false;
            o.StopTimeout = TimeSpan.FromSeconds(30);
            o.ConsumerStopTimeout = TimeSpan.FromSeconds(25);
        });
        return services;
    }

    /// <summary>A durable work queue as <see cref="PipelineTopology"/> declares it.</summary>
    public static void WorkQueue(this IRabbitMqBusFactoryConfigurator cfg, string queue, EndpointSettings settings, Action<IRabbitMqReceiveEndpointConfigurator> configure) =>
        cfg.ReceiveEndpoint(queue, e =>
        {
            foreach (var (name, value) in PipelineTopology.QueueArguments)
            {
                e.SetQueueArgument(name, value!);
            }

            e.PrefetchCount = settings.Prefetch;
            e.ConcurrentMessageLimit = settings.Concurrency;

            // A fault is recorded by the error queue; nobody subscribes to Fault<T>, and mandatory publishing would turn that into a second fault.
            e.PublishFaults = false;

            // A dependency that is down pauses the queue instead of emptying it into the error queue.
            e.UseKillSwitch(k => k.SetActivationThreshold(8).SetTripThreshold(0.5).SetRestartTimeout(TimeSpan.FromSeconds(20)));
            e.UseMessageRetry(r =>
            {
                r.Intervals([.. Pauses.Select(Jitter)]);
                if (settings.Retry is { } retry)
                {
                    r.Handle<Exception>(exception => retry(exception));
                }
            });
            configure(e);
        });

    private static TimeSpan Jitter(TimeSpan pause) => pause * (0.75 + (Random.Shared.NextDouble() * 0.5));
}
