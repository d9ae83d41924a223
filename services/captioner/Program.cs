using ImageSearch.Captioner;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using MassTransit;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("captioner");
builder.Services.AddCaptioning(builder.Configuration);
builder.Services.AddStageControl();
builder.Services.AddPipelineBus(
    bus =>
    {
        bus.AddConsumer<ImageIngestedConsumer>();
        bus.AddConsumer<ReprocessConsumer>();
    },
    (context, cfg) => cfg.WorkQueue(Queues.Captioner, Captioning.Endpoint(context), e => e.ConfigureConsumers(context)));

var app = builder.Build();
app.MapHealth();
return await app.RunServiceAsync();
