using Npgsql;

namespace ImageSearch.Catalog.Operations;

public sealed record StageSwitch(string Queue, bool Paused, string Actor, DateTimeOffset ChangedAt);

/// <summary>Which queues are paused. Written by operator, read by every worker.</summary>
public sealed class StageControlCatalog(NpgsqlDataSource db)
{
    public Task<List<StageSwitch>> ListAsync(CancellationToken ct = default) =>
        db.ReadAsync("SELECT queue, paused, actor, changed_at FROM stage_controls", r => new StageSwitch(r.GetString(0), r.GetBoolean(1), r.GetString(2), r.GetFieldValue<DateTimeOffset>(3)), ct);

    public Task SetAsync(string queue, bool paused, string actor, CancellationToken ct = default) =>
        db.ExecuteAsync("""
            INSERT INTO stage_controls (queue, paused, actor) VALUES ($1, $2, $3)
            ON CONFLICT (queue) DO UPDATE SET paused = EXCLUDED.paused, actor = EXCLUDED.actor, changed_at = now()
            """, ct, queue, paused, actor);
}
