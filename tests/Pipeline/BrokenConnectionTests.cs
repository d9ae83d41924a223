using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ImageSearch.Pipeline.Tests;

/// <summary>A worker whose connection to the broker is reset while it publishes and consumes, as by a broker that is killed, works on afterwards.</summary>
public sealed class BrokenConnectionTests
{
    private const int Breaks = 5;

    [Fact]
    public async Task Every_queue_is_consumed_again_after_every_break_amid_publishing()
    {
        await using var broker = await TestServers.VirtualHostAsync();
        await PipelineTopology.DeclareAsync(broker.Uri.ToString());
        await using var relay = new Relay(broker.Uri);
        var seen = new Seen();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.Configure<RabbitMqOptions>(o => o.Uri = relay.Uri.ToString());
        builder.Services.AddSingleton(seen);
        builder.Services.AddPipelineBus(
            x =>
            {
                x.AddConsumer<First>();
                x.AddConsumer<Second>();
            },
            (context, cfg) =>
            {
                cfg.WorkQueue(Queues.Codec, new(20, 4), e => e.ConfigureConsumer<First>(context));
                cfg.WorkQueue(Queues.Captioner, new(20, 4), e => e.ConfigureConsumer<Second>(context));
            });
        using var host = builder.Build();
        await host.StartAsync();
        var bus = host.Services.GetRequiredService<IBus>();
        using var stop = new CancellationTokenSource();
        ConcurrentBag<long> published = [];
        long number = 0;
        var publishers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var image = Interlocked.Increment(ref number);
                try
                {
                    await bus.PublishConfirmedAsync(new ImageIngested(image, ImageId.Of("x"u8), "b", "k", DateTimeOffset.UtcNow), stop.Token);
                    published.Add(image);
                }
                catch (Exception e) when (e is not OperationCanceledException || stop.IsCancellationRequested)
                {
                    await Task.Delay(20);
                }
            }
        })).ToArray();

        for (var i = 0; i < Breaks; i++)
        {
            await PassedAsync(Interlocked.Read(ref number));
            relay.Break(down: TimeSpan.FromMilliseconds(300 * i));
        }

        await PassedAsync(Interlocked.Read(ref number));
        await stop.CancelAsync();
        await Task.WhenAll(publishers);
        await WaitAsync(() => published.All(p => seen.First.ContainsKey(p) && seen.Second.ContainsKey(p)), () => "Messages whose publishing was confirmed are missing.");
        await host.StopAsync();

        Task PassedAsync(long mark) => WaitAsync(
            () => seen.First.Keys.Any(k => k > mark) && seen.Second.Keys.Any(k => k > mark),
            () => $"Nothing after message {mark} arrived: {seen.First.Keys.DefaultIfEmpty().Max()} and {seen.Second.Keys.DefaultIfEmpty().Max()} were the last.");
    }

    private static async Task WaitAsync(Func<bool> holds, Func<string> otherwise)
    {
        for (var tries = 0; !holds(); tries++)
        {
            Assert.True(tries < 1200, otherwise());
            await Task.Delay(100);
        }
    }

    private sealed class Seen
    {
        public ConcurrentDictionary<long, bool> First { get; } = [];

        public ConcurrentDictionary<long, bool> Second { get; } = [];
    }

    private sealed class First(Seen seen) : IConsumer<ImageIngested>
    {
        public Task Consume(ConsumeContext<ImageIngested> context)
        {
            seen.First[context.Message.Image] = true;
            return Task.CompletedTask;
        }
    }

    private sealed class Second(Seen seen) : IConsumer<ImageIngested>
    {
        public Task Consume(ConsumeContext<ImageIngested> context)
        {
            seen.Second[context.Message.Image] = true;
            return Task.CompletedTask;
        }
    }

    /// <summary>Stands before the broker and resets all connections on demand.</summary>
    private sealed class Relay : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly ConcurrentDictionary<Socket, bool> sockets = [];
        private readonly Uri broker;
        private readonly Task accepting;
        private long downUntil;

        public Relay(Uri broker)
        {
            this.broker = broker;
            listener.Start();
            Uri = new UriBuilder(broker) { Host = "127.0.0.1", Port = ((IPEndPoint)listener.LocalEndpoint).Port }.Uri;
            accepting = AcceptAsync();
        }

        public Uri Uri { get; }

        public void Break(TimeSpan down)
        {
            Interlocked.Exchange(ref downUntil, Environment.TickCount64 + (long)down.TotalMilliseconds);
            foreach (var socket in sockets.Keys)
            {
                Reset(socket);
            }
        }

        public async ValueTask DisposeAsync()
        {
            listener.Stop();
            await accepting;
            foreach (var socket in sockets.Keys)
            {
                Reset(socket);
            }
        }

        private static void Reset(Socket socket)
        {
            try
            {
                // With a linger time of zero, closing resets the connection.
                socket.LingerState = new(true, 0);
                socket.Close();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The other side had ended the connection, and the copying has closed it already.
            }
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var client = await listener.AcceptSocketAsync();
                    if (Environment.TickCount64 < Interlocked.Read(ref downUntil))
                    {
                        Reset(client);
                        continue;
                    }

                    var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
                    await server.ConnectAsync(broker.Host, broker.Port);
                    sockets[client] = sockets[server] = true;
                    _ = CopyAsync(client, server);
                    _ = CopyAsync(server, client);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The listener was stopped.
            }
        }

        private async Task CopyAsync(Socket from, Socket to)
        {
            var buffer = new byte[16 << 10];
            try
            {
                while (await from.ReceiveAsync(buffer) is > 0 and var length)
                {
                    for (var sent = 0; sent < length; sent += await to.SendAsync(buffer.AsMemory(sent, length - sent)))
                    {
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Broken on purpose, or by the other side.
            }

            sockets.TryRemove(from, out _);
            from.Close();
            to.Close();
        }
    }
}
