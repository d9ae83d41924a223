using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Retries;

namespace ImageSearch.Operator.Failures;

/// <summary>Which messages an action is about: numbers, a search, a group, or all. One of them must be given.</summary>
public sealed record FailureSelection(long[]? Ids, string? Q, string? Group, bool All = false)
{
    public bool IsEmpty => Ids is null && string.IsNullOrWhiteSpace(Q) && Group is null && !All;

    /// <summary>The search that stands for group and words together.</summary>
    public string? Search => (Group, string.IsNullOrWhiteSpace(Q)) switch
    {
        (null, _) => Q,
        (var group, true) => $"group:{group}",
        var (group, _) => $"group:{group} ({Q})",
    };

    public override string ToString() => (Ids, Search) switch
    {
        ({ Length: 1 } ids, null) => $"failure {ids[0]}",
        ({ } ids, null) => $"{ids.Length} failures",
        ({ } ids, var search) => $"{ids.Length} failures, {search}",
        (null, null) => "all",
        (null, var search) => search,
    };
}

public sealed record FailureNote(string Note);

public sealed record Moved(int Messages);

public sealed record FailureCount(long Count);

public sealed record TimePoint(DateTimeOffset At, long Count);

/// <param name="Body">Null if the body is no UTF-8 text; then GET .../body has it.</param>
public sealed record FailureView(
    FailureSummary Summary, string Source, string? MessageId, string? TraceId, string StackTrace, JsonNode Properties, IReadOnlyList<HeaderView> Headers, string? Body,
    int Copies, long? EditedFrom, IReadOnlyList<long> EditedTo, IReadOnlyList<FailureAttempt> Failures, IReadOnlyList<RetryAttempt> Retries);

/// <param name="Locked">Set by the bus or the broker; editing cannot change it.</param>
/// <param name="Sent">Goes out with a retry.</param>
public sealed record HeaderView(string Name, JsonNode? Value, bool Locked, bool Sent);

internal static class FailureEndpoints
{
    public static void MapFailures(this IEndpointRouteBuilder app)
    {
        var failures = app.MapGroup("/api/failures").WithTags("Failures");
        failures.MapGet("/", (FailureQueries queries, string? state, string? q, string? after, int? limit, CancellationToken ct) =>
            queries.ListAsync(State(state), q, after, OperatorApi.Page(limit), ct)).WithSummary("Failed messages, latest first; state=any for all");
        failures.MapGet("/count", async (FailureQueries queries, string? state, string? q, CancellationToken ct) => new FailureCount(await queries.CountAsync(State(state), q, ct)));
        failures.MapGet("/states", (FailureQueries queries, CancellationToken ct) => queries.CountByStateAsync(ct));
        failures.MapGet("/groups", (FailureQueries queries, string? by, string? state, string? q, CancellationToken ct) =>
            queries.GroupsAsync(by ?? "cause", State(state), q, ct)).WithSummary("Failures by cause, endpoint, type or image");
        failures.MapPut("/groups/{group}/note", async (FailureQueries queries, OperatorLog journal, HttpContext http, string group, FailureNote note, CancellationToken ct) =>
        {
            await queries.NoteAsync(group, note.Note, http.Actor(), ct);
            await journal.WriteAsync(http.Actor(), "note", $"group {group}", note.Note, ct);
            return Results.NoContent();
        });
        failures.MapGet("/over-time", async (FailureQueries queries, TimeProvider time, string? group, int? hours, CancellationToken ct) =>
        {
            var span = TimeSpan.FromHours(Math.Clamp(hours ?? 24, 1, 24 * 30));
            return (await queries.OverTimeAsync(group, time.GetUtcNow() - span, span / 48, ct)).Select(p => new TimePoint(p.At, p.Count));
        }).WithSummary("Failures in 48 steps of time");
        failures.MapGet("/export", ExportAsync).WithSummary("All that match, one JSON object per line");
        failures.MapGet("/{id:long}", async (FailureQueries queries, long id, CancellationToken ct) =>
            await queries.FindAsync(id, ct) is { } detail ? Results.Ok(View(detail)) : OperatorApi.NotFound($"There is no failure {id}.")).Produces<FailureView>();
        failures.MapGet("/{id:long}/body", async (FailureQueries queries, long id, CancellationToken ct) =>
            await queries.FindAsync(id, ct) is { } detail ? Results.Bytes(detail.Body, "application/octet-stream", $"failure-{id}.body") : OperatorApi.NotFound($"There is no failure {id}."));
        failures.MapPost("/archive", (FailureQueries queries, OperatorLog journal, HttpContext http, FailureSelection chosen, CancellationToken ct) =>
            MoveAsync("archive", queries.ArchiveAsync, journal, http, chosen, ct)).Produces<Moved>();
        failures.MapPost("/restore", (FailureQueries queries, OperatorLog journal, HttpContext http, FailureSelection chosen, CancellationToken ct) =>
            MoveAsync("restore", queries.RestoreAsync, journal, http, chosen, ct)).Produces<Moved>();
    }

    private static string? State(string? state) => state is "any" ? null : state ?? "failed";

    private static async Task<IResult> MoveAsync(
        string action, Func<IReadOnlyCollection<long>?, string?, CancellationToken, Task<int>> move, OperatorLog journal, HttpContext http, FailureSelection chosen, CancellationToken ct)
    {
        if (chosen.IsEmpty)
        {
            return OperatorApi.BadRequest("Say which messages: ids, q, group, or all: true.");
        }

        var moved = await move(chosen.Ids, chosen.Search, ct);
        await journal.WriteAsync(http.Actor(), action, chosen.ToString(), $"{moved} messages", ct);
        return Results.Ok(new Moved(moved));
    }

    private static async Task ExportAsync(FailureQueries queries, HttpContext http, string? state, string? q, CancellationToken ct)
    {
        // The first page is read before the answer begins, so that a wrong search still gives an error.
        var page = await queries.ListAsync(State(state), q, null, OperatorApi.LargestPage, ct);
        http.Response.ContentType = "application/x-ndjson";
        http.Response.Headers.ContentDisposition = "attachment; filename=failures.ndjson";
        while (true)
        {
            foreach (var item in page.Items)
            {
                if (await queries.FindAsync(item.Id, ct) is { } detail)
                {
                    await JsonSerializer.SerializeAsync(http.Response.Body, View(detail), JsonSerializerOptions.Web, ct);
                    await http.Response.Body.WriteAsync("\n"u8.ToArray(), ct);
                }
            }

            if (page.Next is null)
            {
                return;
            }

            page = await queries.ListAsync(State(state), q, page.Next, OperatorApi.LargestPage, ct);
        }
    }

    private static FailureView View(FailureDetail d) => new(
        d.Summary, d.Source, d.MessageId, d.TraceId, d.StackTrace, JsonNode.Parse(d.Properties)!,
        [.. JsonNode.Parse(d.Headers)!.AsObject().Select(h => new HeaderView(h.Key, h.Value?.DeepClone(), EditedRetry.IsLocked(h.Key), !RetryPublisher.IsStripped(h.Key)))],
        TextOf(d.Body), d.Copies, d.EditedFrom, d.EditedTo, d.Failures, d.Retries);

    private static string? TextOf(byte[] body)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(body);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
