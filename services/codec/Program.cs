using ImageSearch.Catalog;
using ImageSearch.Codec;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Models;
using MassTransit;
using Microsoft.Extensions.Options;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("codec");
builder.Services.AddSettings<CodecOptions>(CodecOptions.Section);
builder.Services.AddSettings<ModelsOptions>(ModelsOptions.Section).PostConfigure(ModelsOptions.OneThreadEach);
builder.Services.AddSingleton(p => LicCodec.Open(p.GetRequiredService<IOptions<ModelsOptions>>().Value));
builder.Services.AddSingleton(p => new PixelBudget(p.GetRequiredService<IOptions<CodecOptions>>().Value.MaxPixelsInWork));
builder.Services.AddSingleton<ImageCatalog>();
builder.Services.AddSingleton<BitstreamCatalog>();
builder.Services.AddSingleton<PictureEncoder>();
builder.Services.AddStageControl();
builder.Services.AddPipelineBus(
    bus =>
    {
        bus.AddConsumer<ImageIngestedConsumer>();
        bus.AddConsumer<ReprocessConsumer>();
        bus.AddConsumer<ImageRemovedConsumer>();
    },
    (context, cfg) =>
    {
        var concurrency = context.GetRequiredService<IOptions<CodecOptions>>().Value.EffectiveConcurrency;
        cfg.WorkQueue(Queues.Codec, new(concurrency * 2, concurrency), e =>
        {
            e.ConfigureConsumer<ImageIngestedConsumer>(context);
            e.ConfigureConsumer<ReprocessConsumer>(context);
        });

        // Requests to the store and little else.
        cfg.WorkQueue(Queues.CodecRemovals, new(8, 4), e => e.ConfigureConsumer<ImageRemovedConsumer>(context));
    });

var app = builder.Build();
app.MapHealth();
app.Services.GetRequiredService<LicCodec>();
return await app.RunServiceAsync();
