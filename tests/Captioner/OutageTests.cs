using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace ImageSearch.Captioner.Tests;

/// <summary>The whole queue against an M-LLM server that is down, over real RabbitMQ with the pipeline's own queues.</summary>
public sealed class OutageTests
{
    [Fact]
    public async Task Pictures_outlive_a_server_that_is_down_longer_than_a_message_is_held_and_nothing_goes_to_the_error_queue()
    {
        await using var fixture = await CaptionerFixture.CreateAsync();
        await using var rabbit = await TestServers.VirtualHostAsync();
        await PipelineTopology.DeclareAsync(rabbit.Uri.ToString());
        var port = TestServers.FreePort();
        using var host = Host(fixture, rabbit, $"http://127.0.0.1:{port}/v1");
        await host.StartAsync();
        var bus = host.Services.GetRequiredService<IBus>();
        var images = new List<long>();
        for (byte i = 0; i < 12; i++)
        {
            var (image, id) = await fixture.AddAsync($"{i}.jpg", TestPictures.Jpeg(64, 48, i));
            images.Add(image);
            await bus.Publish(new ImageIngested(image, id, fixture.Store.Options.UploadBucket, $"{i}.jpg", DateTimeOffset.UtcNow));
        }

        // Each message is held for 0.3 s at a time here, so by now all have been back in the queue, several times.
        var requeued = host.Services.GetRequiredService<Requeued>();
        await requeued.Reaches(36);
        Assert.All(images, i => Assert.Null(fixture.Captions.FindAsync(i).GetAwaiter().GetResult()));

        await using var server = await FakeChatServer.StartAsync(port);
        while (await CountAsync(fixture) < images.Count)
        {
            await Task.Delay(100);
        }

        await host.StopAsync();
        Assert.Equal(0u, await MessagesAsync(rabbit, Queues.Captioner + "_error"));
        Assert.Equal(0u, await MessagesAsync(rabbit, Queues.DeadLetters));
        Assert.Equal(0u, await MessagesAsync(rabbit, Queues.Captioner));
    }

    private static IHost Host(CaptionerFixture fixture, TestVirtualHost rabbit, string server)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        fixture.AddCaptioner(builder.Services, o => (o.Retries, o.BreakSeconds) = (1, 0.5),
            new(TimeSpan.FromSeconds(0.3), TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(100)), server);
        builder.Services.AddSingleton<Requeued>();
        builder.Services.Configure<RabbitMqOptions>(o => o.Uri = rabbit.Uri.ToString());
        builder.Services.AddPipelineBus(
            bus => bus.AddConsumer<ImageIngestedConsumer>(),
            (context, cfg) =>
            {
                cfg.ConnectSendObserver(context.GetRequiredService<Requeued>());
                cfg.WorkQueue(Queues.Captioner, new(2, 2), e => e.ConfigureConsumers(context));
            });
        return builder.Build();
    }

    private static async Task<long> CountAsync(CaptionerFixture fixture)
    {
        await using var command = fixture.Db.CreateCommand("SELECT count(DISTINCT image_id) FROM captions");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<uint> MessagesAsync(TestVirtualHost rabbit, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = rabbit.Uri }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        return await channel.MessageCountAsync(queue);
    }

    /// <summary>Counts the messages that were put back into the queue.</summary>
    private sealed class Requeued : ISendObserver
    {
        private readonly SemaphoreSlim sent = new(0);

        public async Task Reaches(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await sent.WaitAsync();
            }
        }

        public Task PreSend<T>(SendContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PostSend<T>(SendContext<T> context)
            where T : class
        {
            if (context.DestinationAddress?.AbsolutePath.EndsWith("/" + Queues.Captioner, StringComparison.Ordinal) == true)
            {
                sent.Release();
            }

            return Task.CompletedTask;
        }

        public Task SendFault<T>(SendContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;
    }
}
