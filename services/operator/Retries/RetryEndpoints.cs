using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Failures;

namespace ImageSearch.Operator.Retries;

/// <param name="Rate">Messages a second; null for canary batches of 1, 5, 50, 500 that stop at the first failure.</param>
public sealed record RetryRequest(long[]? Ids, string? Q, string? Group, bool All = false, float? Rate = null)
{
    public FailureSelection Selection => new(Ids, Q, Group, All);
}

public sealed record RetryStarted(long Retry, int Messages);

public sealed record EditStarted(long Failure, long Retry);

public sealed record AutomaticState(bool Paused);

internal static class RetryEndpoints
{
    public static void MapRetries(this IEndpointRouteBuilder app)
    {
        app.MapPost("/api/failures/retry", StartAsync).WithTags("Retries").WithSummary("Sends messages again").Produces<RetryStarted>(StatusCodes.Status202Accepted);
        app.MapPost("/api/failures/{id:long}/edit", EditAsync).WithTags("Retries").WithSummary("Sends an edited copy of a message").Produces<EditStarted>(StatusCodes.Status202Accepted);
        var retries = app.MapGroup("/api/retries").WithTags("Retries");
        retries.MapGet("/", (RetryCatalog catalog, int? limit, CancellationToken ct) => catalog.ListAsync(OperatorApi.Page(limit), ct));
        retries.MapGet("/{id:long}", async (RetryCatalog catalog, long id, CancellationToken ct) =>
            await catalog.FindAsync(id, ct) is { } retry ? Results.Ok(retry) : OperatorApi.NotFound($"There is no retry {id}.")).Produces<RetrySummary>();
        retries.MapGet("/{id:long}/items", (RetryCatalog catalog, long id, long? after, int? limit, CancellationToken ct) => catalog.ItemsAsync(id, after ?? 0, OperatorApi.Page(limit), ct))
            .WithSummary("State of every message of a retry");
        retries.MapPost("/{id:long}/pause", (RetryCatalog catalog, OperatorLog journal, HttpContext http, long id, CancellationToken ct) =>
            ChangeAsync("pause retry", catalog.SetPausedAsync(id, true, ct), journal, http, id, ct));
        retries.MapPost("/{id:long}/resume", (RetryCatalog catalog, OperatorLog journal, HttpContext http, long id, CancellationToken ct) =>
            ChangeAsync("resume retry", catalog.SetPausedAsync(id, false, ct), journal, http, id, ct));
        retries.MapPost("/{id:long}/cancel", (RetryCatalog catalog, OperatorLog journal, HttpContext http, long id, CancellationToken ct) =>
            ChangeAsync("cancel retry", catalog.EndAsync(id, "cancelled", "cancelled by " + http.Actor(), ct), journal, http, id, ct));
        retries.MapGet("/automatic", async (OperatorLog journal, CancellationToken ct) => new AutomaticState(await journal.SettingAsync(AutomaticRetries.Setting, ct) == "paused"));
        retries.MapPut("/automatic", async (OperatorLog journal, HttpContext http, AutomaticState state, CancellationToken ct) =>
        {
            await journal.SetAsync(AutomaticRetries.Setting, state.Paused ? "paused" : "running", ct);
            await journal.WriteAsync(http.Actor(), state.Paused ? "pause" : "resume", "automatic retries", "", ct);
            return state;
        });
    }

    private static async Task<IResult> StartAsync(RetryCatalog catalog, OperatorLog journal, HttpContext http, RetryRequest request, CancellationToken ct)
    {
        var selection = request.Selection;
        if (selection.IsEmpty)
        {
            return OperatorApi.BadRequest("Say which messages: ids, q, group, or all: true.");
        }

        if (request.Rate is not (null or (> 0 and <= 10_000)))
        {
            return OperatorApi.BadRequest("The rate is a number of messages a second between 0 and 10,000.");
        }

        if (await catalog.StartAsync("manual", selection.ToString(), request.Ids, selection.Search, request.Rate, http.Actor(), ct) is not { } started)
        {
            return OperatorApi.Conflict("No failed message matches that could be sent: they may be in a retry already, resolved, or archived.");
        }

        await journal.WriteAsync(http.Actor(), "retry", selection.ToString(), $"retry {started.Retry}, {started.Messages} messages", ct);
        return Results.Accepted($"/api/retries/{started.Retry}", new RetryStarted(started.Retry, started.Messages));
    }

    private static async Task<IResult> EditAsync(FailureQueries queries, RetryCatalog catalog, OperatorLog journal, HttpContext http, long id, EditRequest edit, CancellationToken ct)
    {
        if (await queries.FindAsync(id, ct) is not { } original)
        {
            return OperatorApi.NotFound($"There is no failure {id}.");
        }

        var (body, headers, searchText, error) = EditedRetry.Apply(original, edit);
        if (error is not null)
        {
            return OperatorApi.BadRequest(error);
        }

        if (await catalog.StartEditedAsync(id, body, headers, searchText, http.Actor(), ct) is not { } started)
        {
            return OperatorApi.Conflict($"Failure {id} is {original.Summary.State}; only failed and archived messages can be edited.");
        }

        await journal.WriteAsync(http.Actor(), "edit and retry", $"failure {id}", $"failure {started.Failure}, retry {started.Retry}", ct);
        return Results.Accepted($"/api/retries/{started.Retry}", new EditStarted(started.Failure, started.Retry));
    }

    private static async Task<IResult> ChangeAsync(string action, Task<bool> change, OperatorLog journal, HttpContext http, long id, CancellationToken ct)
    {
        if (!await change)
        {
            return OperatorApi.Conflict($"Retry {id} is not in a state for that.");
        }

        await journal.WriteAsync(http.Actor(), action, $"retry {id}", "", ct);
        return Results.NoContent();
    }
}
