using ImageSearch.Catalog.Operations;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Audits;

/// <param name="Deep">Also reads every bitstream: SHA-256 and decoding.</param>
/// <param name="Repair">Repairs what is found, at the end.</param>
/// <param name="GraceSeconds">Things younger than this are no findings; null for the configured time.</param>
public sealed record AuditRequest(bool Deep = false, bool Repair = false, int? GraceSeconds = null);

public sealed record AuditStarted(long Audit);

public sealed record AuditReport(AuditState Audit, IReadOnlyList<FindingCount> Findings);

internal static class AuditEndpoints
{
    public static void MapAudits(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/audits").WithTags("Audits");
        group.MapPost("/", async (AuditCatalog audits, OperatorLog journal, IOptions<OperatorOptions> options, HttpContext http, AuditRequest request, CancellationToken ct) =>
        {
            var grace = Math.Clamp(request.GraceSeconds ?? (int)options.Value.AuditGrace.TotalSeconds, 0, 86_400);
            if (await audits.StartAsync(request.Deep, request.Repair, grace, http.Actor(), ct) is not { } id)
            {
                return OperatorApi.Conflict("An audit is running already; wait for its end or cancel it.");
            }

            await journal.WriteAsync(http.Actor(), "audit", $"audit {id}", $"{(request.Deep ? "deep" : "quick")}{(request.Repair ? ", repair" : "")}", ct);
            return Results.Accepted($"/api/audits/{id}", new AuditStarted(id));
        }).WithSummary("Starts comparing store, catalogue, bitstreams, vectors and texts").Produces<AuditStarted>(StatusCodes.Status202Accepted);
        group.MapGet("/", (AuditCatalog audits, int? limit, CancellationToken ct) => audits.ListAsync(OperatorApi.Page(limit), ct));
        group.MapGet("/{id:long}", async (AuditCatalog audits, long id, CancellationToken ct) =>
            await audits.FindAsync(id, ct) is { } audit ? Results.Ok(new AuditReport(audit, await audits.CountsAsync(id, ct))) : OperatorApi.NotFound($"There is no audit {id}.")).Produces<AuditReport>();
        group.MapGet("/{id:long}/findings", (AuditCatalog audits, long id, string? kind, bool? open, long? after, int? limit, CancellationToken ct) =>
            audits.FindingsAsync(id, kind, open ?? false, after ?? 0, OperatorApi.Page(limit), ct)).WithSummary("Findings in order; after takes the last id of the page before");
        group.MapPost("/{id:long}/repair", (AuditCatalog audits, OperatorLog journal, HttpContext http, long id, CancellationToken ct) => ChangeAsync(audits, journal, http, id, "repairing", "repair", ct));
        group.MapPost("/{id:long}/cancel", (AuditCatalog audits, OperatorLog journal, HttpContext http, long id, CancellationToken ct) => ChangeAsync(audits, journal, http, id, "cancelled", "cancel", ct));
    }

    private static async Task<IResult> ChangeAsync(AuditCatalog audits, OperatorLog journal, HttpContext http, long id, string state, string action, CancellationToken ct)
    {
        if (!await audits.ChangeAsync(id, state, ct: ct))
        {
            return OperatorApi.Conflict($"Audit {id} does not exist or is not in a state for that.");
        }

        await journal.WriteAsync(http.Actor(), action, $"audit {id}", "", ct);
        return Results.Accepted($"/api/audits/{id}", new AuditStarted(id));
    }
}
