using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using ImageSearch.Models;
using ImageSearch.Operator;
using ImageSearch.Operator.Audits;
using ImageSearch.Operator.Failures;
using ImageSearch.Operator.Models;
using ImageSearch.Operator.Pictures;
using ImageSearch.Operator.Pipeline;
using ImageSearch.Operator.Retries;
using ImageSearch.Operator.Timeline;
using MassTransit;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("operator").AddApiKeys(Scopes.Operate);
builder.Services.AddSettings<OperatorOptions>(OperatorOptions.Section);
builder.Services.AddSettings<ModelsOptions>(ModelsOptions.Section);
builder.Services.AddOpenApi();
builder.Services.AddOperator();
builder.Services.AddPipelineBus(
    x => x.AddConsumer<TimelineConsumer>(),
    (context, cfg) => cfg.WorkQueue(Queues.OperatorTimeline, TimelineConsumer.Settings, e => e.ConfigureConsumer<TimelineConsumer>(context)));
builder.Services.AddStageControl();

var app = builder.Build();
app.UseHttpHardening();
app.UseProblemDetails();
app.UseSameOrigin();
app.UseApiKeys(Scopes.Operate);
app.UseDefaultFiles();
app.UseStaticFiles();
app.MapOpenApi();
app.MapHealth();
app.MapFailures();
app.MapRetries();
app.MapPictures();
app.MapAudits();
app.MapPipeline();
app.MapModels();
return await app.RunServiceAsync();
