using System.Globalization;
using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog.Operations;

/// <summary>Lists, groups and details of failed messages, and moving them to and from the archive.</summary>
public sealed class FailureQueries(NpgsqlDataSource db)
{
    private const string SummaryColumns = """
        f.id, f.state, f.endpoint, f.message_type, f.exception_type, f.exception_message, f.first_frame, f.group_key, f.image_id, f.sha256, f.bucket, f.key,
        f.attempts, f.first_failed_at, f.last_failed_at, f.next_retry_at, f.transient, octet_length(f.body)
        """;

    /// <summary>One page, latest failure first.</summary>
    /// <param name="state">failed, retrying, resolved or archived; null for all.</param>
    /// <param name="search">As <see cref="FailureSearch"/> reads it.</param>
    /// <param name="after"><see cref="FailurePage.Next"/> of the page before.</param>
    /// <exception cref="FailureSearchException">The search or the cursor cannot be read.</exception>
    public async Task<FailurePage> ListAsync(string? state, string? search, string? after, int limit, CancellationToken ct = default)
    {
        List<object?> values = [state, limit + 1];
        var where = FailureSearch.ToSql(search, values);
        if (after is not null)
        {
            var (time, id) = ReadCursor(after);
            values.AddRange([time, id]);
            where += $" AND (f.last_failed_at, f.id) < (${values.Count - 1}, ${values.Count})";
        }

        var byState = state is null ? "$1::text IS NULL" : "f.state = $1";
        var rows = await db.ReadAsync($"SELECT {SummaryColumns} FROM failed_messages f WHERE {byState} AND {where} ORDER BY f.last_failed_at DESC, f.id DESC LIMIT $2", Summary, ct, [.. values]);
        var more = rows.Count > limit;
        var items = more ? rows[..limit] : rows;
        return new(items, more ? string.Create(CultureInfo.InvariantCulture, $"{items[^1].LastFailedAt.UtcTicks}-{items[^1].Id}") : null);
    }

    public async Task<long> CountAsync(string? state, string? search, CancellationToken ct = default)
    {
        List<object?> values = [state];
        var where = FailureSearch.ToSql(search, values);
        return await db.ScalarAsync<long>($"SELECT count(*) FROM failed_messages f WHERE ($1::text IS NULL OR f.state = $1) AND {where}", ct, [.. values]);
    }

    public async Task<IReadOnlyDictionary<string, long>> CountByStateAsync(CancellationToken ct = default) =>
        (await db.ReadAsync("SELECT state, count(*) FROM failed_messages GROUP BY state", r => (r.GetString(0), r.GetInt64(1)), ct)).ToDictionary();

    /// <param name="by">cause (exception type + first own frame), endpoint, type or image.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another value of <paramref name="by"/>.</exception>
    public async Task<IReadOnlyList<FailureGroup>> GroupsAsync(string by, string? state, string? search, CancellationToken ct = default)
    {
        var (key, name, frame) = by switch
        {
            "cause" => ("f.group_key", "min(f.exception_type)", "min(f.first_frame)"),
            "endpoint" => ("f.endpoint", "f.endpoint", "null"),
            "type" => ("coalesce(f.message_type, 'unknown')", "coalesce(f.message_type, 'unknown')", "null"),
            "image" => ("coalesce(f.image_id::text, 'none')", "coalesce(min(f.key), f.image_id::text, 'no image')", "null"),
            _ => throw new ArgumentOutOfRangeException(nameof(by), by, "Failures are grouped by cause, endpoint, type or image."),
        };
        var groupBy = by == "image" ? "f.image_id" : key;
        List<object?> values = [state];
        var where = FailureSearch.ToSql(search, values);
        return await db.ReadAsync($"""
            SELECT g.*, n.note FROM (
                SELECT {key} AS key, {name} AS name, {frame} AS frame, count(*) AS n, min(f.first_failed_at), max(f.last_failed_at) AS last, left(min(f.exception_message), 300)
                FROM failed_messages f WHERE ($1::text IS NULL OR f.state = $1) AND {where} GROUP BY {groupBy}) g
            LEFT JOIN failure_notes n ON n.group_key = g.key
            ORDER BY g.n DESC, g.last DESC LIMIT 500
            """,
            r => new FailureGroup(r.GetString(0), r.GetString(1), r.Text(2), r.GetInt64(3), r.GetFieldValue<DateTimeOffset>(4), r.GetFieldValue<DateTimeOffset>(5), r.Text(7), r.GetString(6)),
            ct, [.. values]);
    }

    /// <summary>Failures per step of time, empty steps included.</summary>
    /// <param name="group">Group key, or null for all.</param>
    public async Task<IReadOnlyList<(DateTimeOffset At, long Count)>> OverTimeAsync(string? group, DateTimeOffset from, TimeSpan step, CancellationToken ct = default) =>
        await db.ReadAsync("""
            SELECT t, count(a.failed_at)
            FROM generate_series(date_bin($3, $2, 'epoch'), now(), $3) t
            LEFT JOIN failure_attempts a ON a.failed_at >= t AND a.failed_at < t + $3
                AND ($1::text IS NULL OR a.failure_id IN (SELECT id FROM failed_messages WHERE group_key = $1))
            GROUP BY t ORDER BY t
            """, r => (r.GetFieldValue<DateTimeOffset>(0), r.GetInt64(1)), ct, group, from.ToUniversalTime(), step);

    public async Task NoteAsync(string group, string note, string actor, CancellationToken ct = default) =>
        await db.ExecuteAsync("""
            INSERT INTO failure_notes (group_key, note, actor) VALUES ($1, $2, $3)
            ON CONFLICT (group_key) DO UPDATE SET note = EXCLUDED.note, actor = EXCLUDED.actor, noted_at = now()
            """, ct, group, note, actor);

    public async Task<FailureDetail?> FindAsync(long id, CancellationToken ct = default)
    {
        var rows = await db.ReadAsync(
            $"SELECT {SummaryColumns}, f.source, f.message_id, f.trace_id, f.stack_trace, f.properties::text, f.headers::text, f.body, f.copies, f.edited_from FROM failed_messages f WHERE id = $1",
            r => new FailureDetail(Summary(r), r.GetString(18), r.Text(19), r.Text(20), r.GetString(21), r.GetString(22), r.GetString(23), r.GetFieldValue<byte[]>(24), r.GetInt32(25), r.Value<long>(26), [], [], []),
            ct, id);
        if (rows is not [var detail])
        {
            return null;
        }

        return detail with
        {
            EditedTo = await db.ReadAsync("SELECT id FROM failed_messages WHERE edited_from = $1 ORDER BY id", r => r.GetInt64(0), ct, id),
            Failures = await db.ReadAsync("SELECT failed_at, exception_type, exception_message, first_frame FROM failure_attempts WHERE failure_id = $1 ORDER BY failed_at",
                r => new FailureAttempt(r.GetFieldValue<DateTimeOffset>(0), r.GetString(1), r.GetString(2), r.GetString(3)), ct, id),
            Retries = await db.ReadAsync("""
                SELECT i.retry_id, t.kind, t.actor, i.state, i.sends, i.sent_at, i.decided_at, i.decided_by FROM retry_items i JOIN retries t ON t.id = i.retry_id
                WHERE i.failure_id = $1 ORDER BY i.retry_id
                """, r => new RetryAttempt(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetInt32(4), r.Value<DateTimeOffset>(5), r.Value<DateTimeOffset>(6), r.Text(7)), ct, id),
        };
    }

    /// <summary>Failures of one image, or of a key whose image is not known.</summary>
    public async Task<IReadOnlyList<FailureSummary>> OfPictureAsync(long? image, ImageId? id, string? key, CancellationToken ct = default) =>
        await db.ReadAsync($"""
            SELECT {SummaryColumns} FROM failed_messages f
            WHERE f.image_id = $1 OR f.sha256 = $2 OR ($3::text IS NOT NULL AND f.key = $3) ORDER BY f.last_failed_at DESC LIMIT 200
            """, Summary, ct, image, id?.ToBytes(), key);

    /// <summary>Puts failed messages aside. Those in a retry stay where they are.</summary>
    public Task<int> ArchiveAsync(IReadOnlyCollection<long>? ids, string? search, CancellationToken ct = default) => MoveAsync("failed", "archived", ids, search, ct);

    /// <summary>Takes messages back from the archive.</summary>
    public Task<int> RestoreAsync(IReadOnlyCollection<long>? ids, string? search, CancellationToken ct = default) => MoveAsync("archived", "failed", ids, search, ct);

    /// <summary>Deletes what was resolved or archived before <paramref name="before"/>, at most 10,000 at once, and old lines of the pictures' ways.</summary>
    public async Task<int> ApplyRetentionAsync(DateTimeOffset before, DateTimeOffset eventsBefore, CancellationToken ct = default)
    {
        await db.ExecuteAsync("DELETE FROM stage_events WHERE message_id IN (SELECT message_id FROM stage_events WHERE recorded_at < $1 LIMIT 50000)", ct, eventsBefore.ToUniversalTime());
        await db.ExecuteAsync("DELETE FROM audits WHERE finished_at < $1 AND id NOT IN (SELECT id FROM audits ORDER BY id DESC LIMIT 10)", ct, before.ToUniversalTime());
        return await db.ExecuteAsync("""
            DELETE FROM failed_messages WHERE id IN (
                SELECT id FROM failed_messages WHERE state IN ('resolved', 'archived') AND changed_at < $1 LIMIT 10000 FOR UPDATE SKIP LOCKED)
            """, ct, before.ToUniversalTime());
    }

    private async Task<int> MoveAsync(string from, string to, IReadOnlyCollection<long>? ids, string? search, CancellationToken ct)
    {
        List<object?> values = [from, to, ids?.ToArray()];
        var where = FailureSearch.ToSql(search, values);
        return await db.ExecuteAsync($"""
            UPDATE failed_messages f SET state = $2, changed_at = now(), next_retry_at = NULL
            WHERE f.state = $1 AND ($3::bigint[] IS NULL OR f.id = ANY($3)) AND {where}
            """, ct, [.. values]);
    }

    private static FailureSummary Summary(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.GetString(2), r.Text(3), r.GetString(4), r.GetString(5), r.GetString(6), r.GetString(7), r.Value<long>(8), r.Hex(9), r.Text(10), r.Text(11),
        r.GetInt32(12), r.GetFieldValue<DateTimeOffset>(13), r.GetFieldValue<DateTimeOffset>(14), r.Value<DateTimeOffset>(15), r.GetBoolean(16), r.GetInt32(17));

    private static (DateTimeOffset Time, long Id) ReadCursor(string cursor) =>
        cursor.Split('-') is [var ticks, var id] && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var t) && t <= DateTimeOffset.MaxValue.UtcTicks
            && long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var i)
            ? (new(t, TimeSpan.Zero), i)
            : throw new FailureSearchException($"'{cursor}' is no place in the list; take the value of 'next' of the page before.");
}
