using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;

namespace ImageSearch.Operator.Pipeline;

internal static class PipelineEndpoints
{
    public static void MapPipeline(this IEndpointRouteBuilder app)
    {
        var pipeline = app.MapGroup("/api/pipeline").WithTags("Pipeline");
        pipeline.MapGet("/", (PipelineView view, CancellationToken ct) => view.ReadAsync(ct)).WithSummary("Backlog, rates, age and failures of every stage, with warnings");
        pipeline.MapPost("/{queue}/pause", (StageControlCatalog switches, OperatorLog journal, HttpContext http, string queue, CancellationToken ct) => SetAsync(switches, journal, http, queue, true, ct))
            .WithSummary("Lets a stage finish what it has in hand and take nothing more");
        pipeline.MapPost("/{queue}/resume", (StageControlCatalog switches, OperatorLog journal, HttpContext http, string queue, CancellationToken ct) => SetAsync(switches, journal, http, queue, false, ct));
        app.MapGet("/api/log", (OperatorLog journal, long? before, int? limit, CancellationToken ct) => journal.ListAsync(before, OperatorApi.Page(limit), ct)).WithTags("Log").WithSummary("Who did what and when, latest first");
    }

    private static async Task<IResult> SetAsync(StageControlCatalog switches, OperatorLog journal, HttpContext http, string queue, bool paused, CancellationToken ct)
    {
        if (!Queues.Pipeline.Contains(queue))
        {
            return OperatorApi.NotFound($"There is no queue {queue}. Queues are {string.Join(", ", Queues.Pipeline)}.");
        }

        await switches.SetAsync(queue, paused, http.Actor(), ct);
        await journal.WriteAsync(http.Actor(), paused ? "pause stage" : "resume stage", queue, "", ct);
        return Results.NoContent();
    }
}
