using System.Collections.Concurrent;
using ImageSearch.Catalog.Operations;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace ImageSearch.Hosting;

/// <summary>
/// Stops and starts the receive endpoints of a worker as the operator's switches say. The switches are looked at every 2 s; while the database
/// does not answer, everything stays as it is. Messages in hand are finished; the others wait in the queue.
/// </summary>
public sealed class StageControl(StageControlCatalog switches, TimeProvider time, ILogger<StageControl> log) : BackgroundService, IReceiveEndpointObserver
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, IReceiveEndpoint> endpoints = new();
    private readonly ConcurrentDictionary<string, bool> running = new();

    public Task Ready(ReceiveEndpointReady ready)
    {
        var queue = QueueOf(ready.InputAddress);
        endpoints[queue] = ready.ReceiveEndpoint;
        running[queue] = true;
        return Task.CompletedTask;
    }

    public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

    public Task Completed(ReceiveEndpointCompleted completed)
    {
        running[QueueOf(completed.InputAddress)] = false;
        return Task.CompletedTask;
    }

    public Task Faulted(ReceiveEndpointFaulted faulted) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        HashSet<string> paused = [];
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var (queue, shall) in (await switches.ListAsync(stoppingToken)).Select(s => (s.Queue, s.Paused)))
                {
                    await ApplyAsync(queue, shall, paused, stoppingToken);
                }
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException && !stoppingToken.IsCancellationRequested)
            {
                log.LogDebug("Stage switches cannot be read: {Reason}", e.Message);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning(e, "A stage could not be paused or resumed; it is tried again.");
            }

            await Task.Delay(Every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // The kill switch of an endpoint may start it again by itself: a paused one that runs is stopped again. Only what was paused here is started.
    private async Task ApplyAsync(string queue, bool shall, HashSet<string> paused, CancellationToken ct)
    {
        if (!endpoints.TryGetValue(queue, out var endpoint))
        {
            return;
        }

        if (shall && running[queue])
        {
            paused.Add(queue);
            running[queue] = false;
            log.LogInformation("{Queue} is paused", queue);
            await endpoint.Stop(ct);
        }
        else if (!shall && paused.Remove(queue) && !running[queue])
        {
            log.LogInformation("{Queue} goes on", queue);
            endpoint.Start(ct);
        }
    }

    private static string QueueOf(Uri address) => address.AbsolutePath.Split('/')[^1];
}

public static class StageControlServices
{
    /// <summary>Lets the operator pause and resume this worker's queues. Needs AddImageSearch and AddPipelineBus.</summary>
    public static IServiceCollection AddStageControl(this IServiceCollection services)
    {
        services.AddSingleton<StageControlCatalog>();
        services.AddSingleton<StageControl>();
        services.AddHostedService(p => p.GetRequiredService<StageControl>());
        services.AddReceiveEndpointObserver(p => p.GetRequiredService<StageControl>());
        return services;
    }
}
