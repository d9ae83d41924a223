using Npgsql;

namespace ImageSearch.Catalog.Operations;

public sealed record LogLine(long Id, DateTimeOffset At, string Actor, string Action, string Subject, string Detail);

/// <summary>Who did what and when, and settings that are switched while running. Written by operator only.</summary>
public sealed class OperatorLog(NpgsqlDataSource db)
{
    public Task WriteAsync(string actor, string action, string subject, string detail = "", CancellationToken ct = default) =>
        db.ExecuteAsync("INSERT INTO operator_log (actor, action, subject, detail) VALUES ($1, $2, $3, $4)", ct, actor, action, subject, detail);

    /// <summary>Latest first.</summary>
    /// <param name="before">Only lines with smaller numbers; null for the first page.</param>
    public Task<List<LogLine>> ListAsync(long? before, int limit, CancellationToken ct = default) =>
        db.ReadAsync("SELECT id, at, actor, action, subject, detail FROM operator_log WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            r => new LogLine(r.GetInt64(0), r.GetFieldValue<DateTimeOffset>(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5)), ct, before, limit);

    public Task<string?> SettingAsync(string name, CancellationToken ct = default) => db.ScalarAsync<string>("SELECT value FROM operator_settings WHERE name = $1", ct, name);

    public Task SetAsync(string name, string value, CancellationToken ct = default) =>
        db.ExecuteAsync("INSERT INTO operator_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value", ct, name, value);
}
