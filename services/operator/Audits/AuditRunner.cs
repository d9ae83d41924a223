using System.Globalization;
using ImageSearch.Catalog.Operations;
using ImageSearch.Models;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Audits;

/// <summary>
/// Works through open audits, page by page. How far it is is stored with each page's findings, so an audit goes on after a stop; of several
/// operators the one that holds the audit's lock works on it.
/// </summary>
public sealed class AuditRunner(
    AuditCatalog audits, StoreAudit storeAudit, Repairs repairs, OperatorLog journal, IOptions<OperatorOptions> options, Npgsql.NpgsqlDataSource db, TimeProvider time, ILogger<AuditRunner> log) : BackgroundService
{
    private const int CataloguePage = 1000;
    private const int RepairPage = 100;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await StartPeriodicAsync(stoppingToken);
                foreach (var audit in await audits.OpenAsync(stoppingToken))
                {
                    await using var right = await SessionLock.TryTakeAsync(db, $"audit {audit.Id}", stoppingToken);
                    if (right is not null)
                    {
                        await TryWorkAsync(audit.Id, stoppingToken);
                    }
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("The audit pauses for 5 s and goes on where it is: {Reason}", e.Message);
                await Task.Delay(TimeSpan.FromSeconds(5), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await Task.Delay(TimeSpan.FromSeconds(1), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task StartPeriodicAsync(CancellationToken ct)
    {
        var every = options.Value.AuditEvery;
        if (every > TimeSpan.Zero && (await audits.LastStartAsync(ct) is not { } last || time.GetUtcNow() - last > every)
            && await audits.StartAsync(deep: false, options.Value.AuditRepairs, (int)options.Value.AuditGrace.TotalSeconds, "operator", ct) is { } started)
        {
            await journal.WriteAsync("operator", "audit", $"audit {started}", "periodic", ct);
        }
    }

    private async Task TryWorkAsync(long id, CancellationToken ct)
    {
        try
        {
            await WorkAsync(id, ct);
        }
        catch (ModelException e)
        {
            // Waiting does not mend this.
            await audits.ChangeAsync(id, "failed", e.Message, ct);
        }
    }

    private async Task WorkAsync(long id, CancellationToken ct)
    {
        while (await audits.FindAsync(id, ct) is { State: "running" } audit)
        {
            var page = await PageAsync(audit, ct);
            var (phase, cursor) = page.Next is { } next ? (audit.Phase, next) : (After(audit), "");
            if (!await audits.SaveAsync(id, phase, cursor, page.Checked, page.Findings, ct))
            {
                return;
            }

            if (phase == "end")
            {
                await audits.ChangeAsync(id, audit.Repair ? "repairing" : "done", ct: ct);
            }
        }

        if (await audits.FindAsync(id, ct) is { State: "repairing" })
        {
            await RepairAsync(id, ct);
        }
    }

    private static string After(AuditState audit) => audit.Phase switch
    {
        "uploads" => "bitstreams",
        "bitstreams" => "thumbnails",
        "thumbnails" => "catalogue",
        "catalogue" when audit.Deep => "deep",
        _ => "end",
    };

    private Task<StoreAudit.Page> PageAsync(AuditState audit, CancellationToken ct)
    {
        var grace = TimeSpan.FromSeconds(audit.GraceSeconds);
        return audit.Phase switch
        {
            "uploads" => storeAudit.UploadsAsync(audit.Cursor, grace, ct),
            "bitstreams" => storeAudit.BitstreamsAsync(audit.Cursor, grace, ct),
            "thumbnails" => storeAudit.ThumbnailsAsync(audit.Cursor, grace, ct),
            "catalogue" => CatalogueAsync(audit.Cursor, grace, ct),
            "deep" => storeAudit.DeepAsync(audit.Cursor, ct),
            _ => Task.FromResult(new StoreAudit.Page([], null, 0)),
        };
    }

    private async Task<StoreAudit.Page> CatalogueAsync(string cursor, TimeSpan grace, CancellationToken ct)
    {
        var after = cursor.Length == 0 ? 0 : long.Parse(cursor, CultureInfo.InvariantCulture);
        var (gaps, last, count) = await audits.GapsAsync(after, CataloguePage, time.GetUtcNow() - grace, ct);
        return new([.. gaps.SelectMany(Findings)], last?.ToString(CultureInfo.InvariantCulture), count);
    }

    private static IEnumerable<NewFinding> Findings(ImageGaps g)
    {
        NewFinding Of(string kind, string detail, string? model = null) => new(kind, detail, g.Image, g.Sha256, Model: model);
        if (!g.Key)
        {
            yield return Of(FindingKinds.ImageWithoutKey, "no key of the upload bucket holds it");
        }

        if (!g.Bitstream)
        {
            yield return Of(FindingKinds.BitstreamMissing, "it was never encoded");
        }

        foreach (var model in g.Models)
        {
            yield return Of(FindingKinds.VectorMissing, $"no vector under {model}", model);
        }

        if (!g.Texts)
        {
            yield return Of(FindingKinds.TextMissing, "it was never captioned");
        }
        else if (!g.Lexical)
        {
            yield return Of(FindingKinds.LexicalMissing, "it has texts that are not in the lexical index");
        }
    }

    private async Task RepairAsync(long id, CancellationToken ct)
    {
        long after = 0;
        while (await audits.FindAsync(id, ct) is { State: "repairing" })
        {
            var page = await audits.FindingsAsync(id, null, openOnly: true, after, RepairPage, ct);
            if (page.Count == 0)
            {
                await audits.ChangeAsync(id, "done", ct: ct);
                return;
            }

            var start = time.GetTimestamp();
            var done = await Task.WhenAll(page.Select(f => repairs.RepairAsync(f, ct)));

            // What waits for its time stays open for the next repair.
            var settled = page.Zip(done).Where(d => !d.Second.StartsWith("nothing yet", StringComparison.Ordinal)).ToList();
            await audits.RepairedAsync([.. settled.Select(s => s.First.Id)], [.. settled.Select(s => s.Second)], ct);
            after = page[^1].Id;
            var pause = TimeSpan.FromSeconds(page.Count / (double)options.Value.RepairRate) - time.GetElapsedTime(start);
            await Task.Delay(pause > TimeSpan.Zero ? pause : TimeSpan.Zero, time, ct);
        }
    }
}
