using ImageSearch.Captioner.Chat;
using ImageSearch.Captioner.Tagging;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using ImageSearch.Models;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ImageSearch.Captioner;

/// <summary>What the service is made of.</summary>
public static class Captioning
{
    /// <summary>The broker takes back what is not answered within 30 minutes; a last round of a picture must fit in after the pause.</summary>
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMinutes(28);

    public static IServiceCollection AddCaptioning(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<CaptionerOptions>(CaptionerOptions.Section);
        services.AddSettings<LexicalOptions>("Lexical");
        services.AddSingleton(p => new LexicalIndex(p.GetRequiredService<Npgsql.NpgsqlDataSource>(), p.GetRequiredService<IOptions<LexicalOptions>>().Value));
        services.AddHostedService<LexicalMerger>();
        services.AddSingleton<ImageCatalog>();
        services.AddSingleton<BitstreamCatalog>();
        services.AddSingleton<CaptionCatalog>();
        services.AddSingleton<PictureCaptioner>();
        services.AddSingleton(Pause);
        services.AddHealthChecks().AddCheck<CaptionerHealth>("captioner", tags: ["ready"]);
        if (configuration[$"{CaptionerOptions.Section}:Kind"] == "mllm")
        {
            services.AddSettings<ChatOptions>(ChatOptions.Section);
            services.AddSingleton<ICaptioner>(Chat);
        }
        else
        {
            services.AddSettings<ModelsOptions>(ModelsOptions.Section).PostConfigure(ModelsOptions.OneThreadEach);
            services.AddSingleton<ICaptioner>(p => new TaggerCaptioner(p.GetRequiredService<IOptions<ModelsOptions>>().Value, Options(p)));
        }

        return services;
    }

    /// <summary>No message is fetched before it can be worked on: it would wait behind a pause, against the broker's clock.</summary>
    public static EndpointSettings Endpoint(IServiceProvider p)
    {
        var concurrency = Options(p) is { Kind: "mllm" } ? ChatSettings(p).Concurrency : Options(p).EffectiveConcurrency;
        return new(concurrency, concurrency, MayPass);
    }

    /// <summary>What fails the same way again goes to the error queue at once; servers have their own retries and the pause.</summary>
    private static bool MayPass(Exception e) => e is not (PictureException or CaptionException or ModelException or ObjectTooLargeException);

    private static CaptionerOptions Options(IServiceProvider p) => p.GetRequiredService<IOptions<CaptionerOptions>>().Value;

    private static ChatOptions ChatSettings(IServiceProvider p) => p.GetRequiredService<IOptions<ChatOptions>>().Value;

    private static ChatCaptioner Chat(IServiceProvider p)
    {
        var (options, chat, time) = (Options(p), ChatSettings(p), p.GetRequiredService<TimeProvider>());
        var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5), PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        return new(new ChatClient(http, chat, time), chat, CropGrid.Regions(options.Grid, options.Overlap), options.Grid, time, p.GetRequiredService<ILogger<ChatCaptioner>>());
    }

    private static OutagePause Pause(IServiceProvider p)
    {
        var options = Options(p);
        var round = options.Kind == "mllm" ? TimeSpan.FromSeconds(ChatSettings(p).SecondsPerPicture) : TimeSpan.FromMinutes(1);
        var limit = TimeSpan.FromMinutes(options.PauseMinutes);
        return new(
            new(limit < AnswerWithin - round ? limit : AnswerWithin - round, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(1)),
            p.GetRequiredService<TimeProvider>(),
            p.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping,
            p.GetRequiredService<ILogger<OutagePause>>());
    }

    private sealed class CaptionerHealth(ICaptioner captioner) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(captioner.Health);
    }

    /// <summary>Moves new postings from the index's tail into its blocks.</summary>
    private sealed class LexicalMerger(LexicalIndex index, ILogger<LexicalIndex> log) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
            index.MergeLoopAsync(e => log.LogWarning("The lexical index was not merged: {Reason}", e.Message), stoppingToken);
    }
}
