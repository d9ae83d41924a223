using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using ImageSearch.Ingest;
using ImageSearch.Ingest.S3Events;
using ImageSearch.Ingest.Uploads;
using MassTransit;
using Microsoft.Extensions.Options;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("ingest").AddApiKeys(Scopes.Upload);
builder.Services.AddSettings<IngestOptions>(IngestOptions.Section)
    .Validate(o => Directory.Exists(o.TemporaryFolder), "Ingest:TemporaryFolder names no folder; make it, or name another on a disk with room for uploads.");
builder.Services.AddSingleton<ImageCatalog>();
builder.Services.AddScoped<ObjectSync>();
builder.Services.AddHostedService<Reconciler>();
builder.Services.AddOpenApi();
builder.Services.AddStageControl();
builder.Services.AddPipelineBus(
    bus =>
    {
        bus.AddConsumer<S3EventConsumer>();
        bus.AddConsumer<RejectedLaterConsumer>();
    },
    (context, cfg) =>
    {
        var concurrency = context.GetRequiredService<IOptions<IngestOptions>>().Value.Concurrency;
        cfg.WorkQueue(Queues.IngestS3Events, new(concurrency * 4, concurrency), e =>
        {
            // The store's own JSON, without MassTransit's envelope.
            e.ConfigureConsumeTopology = false;
            e.UseRawJsonDeserializer(RawSerializerOptions.AnyMessageType, isDefault: true);
            e.ConfigureConsumer<S3EventConsumer>(context);
        });
        cfg.WorkQueue(Queues.IngestRejections, new(8, 2), e => e.ConfigureConsumer<RejectedLaterConsumer>(context));
    });

var app = builder.Build();
app.UseHttpHardening();
app.UseErrorAnswers();
app.MapHealth();
app.UseApiKeys(Scopes.Upload);
app.MapOpenApi();
app.MapUploads();
return await app.RunServiceAsync();
