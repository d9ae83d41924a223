using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Embedder;
using ImageSearch.Hosting;
using ImageSearch.Inference;
using ImageSearch.Models;
using MassTransit;
using Microsoft.Extensions.Options;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("embedder");
builder.Services.AddSettings<EmbedderOptions>(EmbedderOptions.Section);
builder.Services.AddSettings<ModelsOptions>(ModelsOptions.Section).PostConfigure(ModelsOptions.OneThreadEach);
builder.Services.AddSingleton(p => LicCodec.Open(p.GetRequiredService<IOptions<ModelsOptions>>().Value));
builder.Services.AddSingleton<EmbeddingModels>();
builder.Services.AddSingleton<BitstreamCatalog>();
builder.Services.AddSingleton<EmbeddingCatalog>();
builder.Services.AddSingleton<PictureEmbedder>();
builder.Services.AddStageControl();
builder.Services.AddPipelineBus(
    bus =>
    {
        bus.AddConsumer<ImageEncodedConsumer>();
        bus.AddConsumer<ReprocessConsumer>();
    },
    (context, cfg) =>
    {
        var concurrency = context.GetRequiredService<IOptions<EmbedderOptions>>().Value.Concurrency;
        cfg.WorkQueue(Queues.Embedder, new(concurrency * 2, concurrency), e => e.ConfigureConsumers(context));
    });

var app = builder.Build();
app.MapHealth();
return await app.RunServiceAsync();
