using ImageSearch.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Catalog.Operations;

/// <param name="Rate">Messages a second; null for canary batches.</param>
/// <param name="DoubleSends">Messages that went out more than once because an operator died between sending and noting it.</param>
public sealed record RetrySummary(
    long Id, string Kind, string Selection, string State, float? Rate, int Batch, int Batches, string? Reason, string Actor, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt,
    long Total, long Pending, long Out, long Succeeded, long Failed, long Cancelled, long DoubleSends);

/// <summary>A message that shall go out now.</summary>
public sealed record OutgoingRetry(long Failure, string Endpoint, string Headers, string Properties, byte[] Body, int Sends);

/// <summary>A message that went out and whose fate is open.</summary>
public sealed record SentRetry(long Failure, string Endpoint, DateTimeOffset SentAt);

public sealed record RetryItem(long Failure, int Batch, string State, int Sends, DateTimeOffset? SentAt, DateTimeOffset? DecidedAt, string? DecidedBy);

/// <summary>
/// Retries as rows: pending -> sending -> sent -> succeeded or failed. Every step is committed before the next begins, so that a crash at any
/// point forgets nothing. Written by operator only.
/// </summary>
public sealed class RetryCatalog(NpgsqlDataSource db)
{
    /// <summary>Sizes of the first batches; the last one goes on.</summary>
    public static readonly IReadOnlyList<int> CanarySizes = [1, 5, 50, 500];

    private const string BatchNumber = """
        CASE WHEN n <= 1 THEN 0 WHEN n <= 6 THEN 1 WHEN n <= 56 THEN 2 ELSE 3 + (n - 57) / 500 END
        """;

    /// <summary>Starts a retry of everything that matches and is in state failed.</summary>
    /// <param name="ids">Only these; null for all.</param>
    /// <param name="search">As <see cref="FailureSearch"/> reads it.</param>
    /// <param name="rate">Messages a second; null for canary batches.</param>
    /// <returns>Number of the retry and how many messages it has; null if nothing matched.</returns>
    public async Task<(long Retry, int Messages)?> StartAsync(string kind, string selection, IReadOnlyCollection<long>? ids, string? search, float? rate, string actor, CancellationToken ct = default)
    {
        List<object?> values = [kind, selection, rate, actor, ids?.ToArray()];
        var where = FailureSearch.ToSql(search, values);
        return await StartAsync($"f.state = 'failed' AND ($5::bigint[] IS NULL OR f.id = ANY($5)) AND {where}", values, ct);
    }

    /// <summary>Starts a retry of the transient failures whose time has come.</summary>
    public Task<(long Retry, int Messages)?> StartDueAsync(float rate, CancellationToken ct = default) =>
        StartAsync("f.state = 'failed' AND f.next_retry_at <= now()", ["automatic", "transient failures that are due", rate, "operator"], ct);

    private async Task<(long Retry, int Messages)?> StartAsync(string where, List<object?> values, CancellationToken ct)
    {
        // A dead letter may come from a queue that is none of ours; nobody would take it.
        values.Add(Queues.Pipeline.ToArray());
        where += $" AND f.endpoint = ANY(${values.Count})";
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using var command = new NpgsqlCommand($"""
            WITH chosen AS (SELECT f.id FROM failed_messages f WHERE {where} ORDER BY f.id FOR UPDATE SKIP LOCKED),
            retry AS (INSERT INTO retries (kind, selection, rate, actor) SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT FROM chosen) RETURNING id),
            marked AS (UPDATE failed_messages SET state = 'retrying', next_retry_at = NULL, changed_at = now() WHERE id IN (SELECT id FROM chosen)),
            items AS (
                INSERT INTO retry_items (retry_id, failure_id, batch)
                SELECT retry.id, c.id, {BatchNumber} FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM chosen) c, retry
                RETURNING 1)
            SELECT retry.id, (SELECT count(*) FROM items) FROM retry
            """, connection, transaction).With([.. values]);
        command.Parameters[2].NpgsqlDbType = NpgsqlDbType.Real;
        (long, int)? result = null;
        await using (var reader = await command.ExecuteReaderAsync(ct))
        {
            if (await reader.ReadAsync(ct))
            {
                result = (reader.GetInt64(0), (int)reader.GetInt64(1));
            }
        }

        await transaction.CommitAsync(ct);
        return result;
    }

    /// <summary>Makes an edited copy of a failed message and starts its retry; the original counts as resolved and links to the copy.</summary>
    /// <returns>The new failure and the retry, or null if the original is not in state failed or archived.</returns>
    public async Task<(long Failure, long Retry)?> StartEditedAsync(long original, byte[] body, string headers, string searchText, string actor, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var copy = await connection.ScalarAsync<long?>("""
            WITH original AS (
                UPDATE failed_messages SET state = 'resolved', next_retry_at = NULL, changed_at = now() WHERE id = $1 AND state IN ('failed', 'archived') RETURNING *)
            INSERT INTO failed_messages (state, endpoint, source, message_id, message_type, exception_type, exception_message, stack_trace, first_frame, group_key, transient,
                image_id, sha256, bucket, key, trace_id, properties, headers, body, attempts, first_failed_at, last_failed_at, edited_from)
            SELECT 'retrying', endpoint, source, message_id, message_type, exception_type, exception_message, stack_trace, first_frame, group_key, transient,
                image_id, sha256, bucket, key, trace_id, properties, $3::jsonb, $2, attempts, first_failed_at, last_failed_at, id FROM original
            RETURNING id
            """, ct, original, body, headers);
        if (copy is null)
        {
            return null;
        }

        await connection.ExecuteAsync("INSERT INTO failure_texts (failure_id, text) VALUES ($1, $2)", ct, copy, searchText);

        var retry = await connection.ScalarAsync<long>("INSERT INTO retries (kind, selection, actor) VALUES ('edit', $1, $2) RETURNING id", ct, $"failure {original}, edited", actor);
        await connection.ExecuteAsync("INSERT INTO retry_items (retry_id, failure_id, batch) VALUES ($1, $2, 0)", ct, retry, copy);
        await transaction.CommitAsync(ct);
        return (copy.Value, retry);
    }

    /// <summary>Retries that have something to send or whose messages are out.</summary>
    public Task<List<long>> OpenAsync(CancellationToken ct = default) => db.ReadAsync("""
        SELECT id FROM retries WHERE state = 'running' UNION SELECT retry_id FROM retry_items WHERE state IN ('sending', 'sent') ORDER BY 1
        """, r => r.GetInt64(0), ct);

    /// <summary>
    /// The sole right to work on a retry, kept until disposed or until this process or its connection dies; null if another operator has it.
    /// Messages found in state sending under this lock were left there by an owner that died.
    /// </summary>
    public Task<SessionLock?> TryLockAsync(long retry, CancellationToken ct = default) => SessionLock.TryTakeAsync(db, $"retry {retry}", ct);

    /// <summary>Marks the next messages of a retry as being sent and returns them, those that a dead owner left in that state first.</summary>
    /// <param name="batch">Only this batch; null for any.</param>
    /// <param name="orphansOnly">Only what a dead owner left.</param>
    public async Task<IReadOnlyList<OutgoingRetry>> ClaimAsync(long retry, int? batch, int limit, bool orphansOnly = false, CancellationToken ct = default) =>
        await db.ReadAsync("""
            WITH next AS (
                SELECT failure_id FROM retry_items WHERE retry_id = $1 AND (state = 'sending' OR (state = 'pending' AND NOT $4)) AND ($2::int IS NULL OR batch = $2)
                ORDER BY state DESC, failure_id LIMIT $3 FOR UPDATE),
            claimed AS (
                UPDATE retry_items i SET state = 'sending', sends = sends + 1, sent_at = now() FROM next
                WHERE i.retry_id = $1 AND i.failure_id = next.failure_id RETURNING i.failure_id, i.sends)
            SELECT f.id, f.endpoint, f.headers::text, f.properties::text, f.body, c.sends FROM claimed c JOIN failed_messages f ON f.id = c.failure_id ORDER BY f.id
            """, r => new OutgoingRetry(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetFieldValue<byte[]>(4), r.GetInt32(5)), ct, retry, batch, limit, orphansOnly);

    /// <summary>The broker has the messages. A message that failed again before this was noted stays failed.</summary>
    public Task MarkSentAsync(long retry, long[] failures, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE retry_items SET state = 'sent' WHERE retry_id = $1 AND failure_id = ANY($2) AND state = 'sending'", ct, retry, failures);

    /// <summary>The broker did not take the messages: they wait again.</summary>
    public Task MarkUnsentAsync(long retry, long[] failures, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE retry_items SET state = 'pending', sends = sends - 1, sent_at = NULL WHERE retry_id = $1 AND failure_id = ANY($2) AND state = 'sending'", ct, retry, failures);

    public Task<List<SentRetry>> SentAsync(long retry, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT i.failure_id, f.endpoint, i.sent_at FROM retry_items i JOIN failed_messages f ON f.id = i.failure_id WHERE i.retry_id = $1 AND i.state = 'sent'
            """, r => new SentRetry(r.GetInt64(0), r.GetString(1), r.GetFieldValue<DateTimeOffset>(2)), ct, retry);

    /// <summary>Decides for success where an event of the picture, later than the sending, shows that the stage was done.</summary>
    public Task<int> SucceedByEventAsync(long retry, CancellationToken ct = default) =>
        db.ExecuteAsync("""
            WITH done AS (
                UPDATE retry_items i SET state = 'succeeded', decided_at = now(), decided_by = 'event' FROM failed_messages f
                WHERE i.retry_id = $1 AND i.state = 'sent' AND f.id = i.failure_id AND EXISTS (
                    SELECT FROM stage_events e WHERE e.recorded_at >= i.sent_at AND (
                        (f.endpoint <> 'ingest-s3-events' AND e.image_id = f.image_id AND (
                            e.stage = CASE f.endpoint WHEN 'codec' THEN 'encoded' WHEN 'embedder' THEN 'embedded' WHEN 'captioner' THEN 'captioned' END
                            OR e.stage = 'removed'))
                        OR (f.endpoint = 'ingest-s3-events' AND e.key = f.key AND e.stage IN ('ingested', 'rejected'))))
                RETURNING i.failure_id)
            UPDATE failed_messages SET state = 'resolved', changed_at = now() WHERE id IN (SELECT failure_id FROM done) AND state = 'retrying'
            """, ct, retry);

    /// <summary>Decides for success because the queue was worked off and no failure came.</summary>
    public Task<int> SucceedBySilenceAsync(long retry, long[] failures, CancellationToken ct = default) =>
        db.ExecuteAsync("""
            WITH done AS (
                UPDATE retry_items SET state = 'succeeded', decided_at = now(), decided_by = 'silence' WHERE retry_id = $1 AND failure_id = ANY($2) AND state = 'sent' RETURNING failure_id)
            UPDATE failed_messages SET state = 'resolved', changed_at = now() WHERE id IN (SELECT failure_id FROM done) AND state = 'retrying'
            """, ct, retry, failures);

    public Task AdvanceAsync(long retry, int batch, CancellationToken ct = default) => db.ExecuteAsync("UPDATE retries SET batch = $2 WHERE id = $1 AND state = 'running'", ct, retry, batch);

    /// <summary>Ends a retry; what has not gone out waits as failed again.</summary>
    /// <param name="state">done, stopped or cancelled.</param>
    public async Task<bool> EndAsync(long retry, string state, string? reason, CancellationToken ct = default) =>
        await db.ScalarAsync<long?>("""
            WITH ended AS (UPDATE retries SET state = $2, reason = $3, finished_at = now() WHERE id = $1 AND state IN ('running', 'paused') RETURNING id),
            open AS (
                UPDATE retry_items SET state = 'cancelled', decided_at = now(), decided_by = $2 WHERE retry_id IN (SELECT id FROM ended) AND state = 'pending'
                RETURNING failure_id),
            back AS (UPDATE failed_messages SET state = 'failed', changed_at = now() WHERE id IN (SELECT failure_id FROM open) AND state = 'retrying')
            SELECT id FROM ended
            """, ct, retry, state, reason) is not null;

    /// <summary>Pauses or goes on.</summary>
    public async Task<bool> SetPausedAsync(long retry, bool paused, CancellationToken ct = default) =>
        await db.ExecuteAsync("UPDATE retries SET state = $2 WHERE id = $1 AND state = $3", ct, retry, paused ? "paused" : "running", paused ? "running" : "paused") == 1;

    public async Task<RetrySummary?> FindAsync(long retry, CancellationToken ct = default) => (await SummariesAsync("WHERE t.id = $1", 1, ct, retry)).FirstOrDefault();

    public Task<List<RetrySummary>> ListAsync(int limit, CancellationToken ct = default) => SummariesAsync("", limit, ct);

    public Task<List<RetryItem>> ItemsAsync(long retry, long after, int limit, CancellationToken ct = default) =>
        db.ReadAsync("SELECT failure_id, batch, state, sends, sent_at, decided_at, decided_by FROM retry_items WHERE retry_id = $1 AND failure_id > $2 ORDER BY failure_id LIMIT $3",
            r => new RetryItem(r.GetInt64(0), r.GetInt32(1), r.GetString(2), r.GetInt32(3), r.Value<DateTimeOffset>(4), r.Value<DateTimeOffset>(5), r.Text(6)), ct, retry, after, limit);

    private Task<List<RetrySummary>> SummariesAsync(string where, int limit, CancellationToken ct, params object?[] values) =>
        db.ReadAsync($"""
            SELECT t.id, t.kind, t.selection, t.state, t.rate, t.batch, i.batches, t.reason, t.actor, t.created_at, t.finished_at,
                   i.total, i.pending, i.out, i.succeeded, i.failed, i.cancelled, i.doubles
            FROM (SELECT * FROM retries t {where} ORDER BY t.id DESC LIMIT {limit}) t, LATERAL (
                SELECT count(*) AS total, coalesce(max(batch) + 1, 0) AS batches, count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state IN ('sending', 'sent')) AS out,
                       count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state = 'failed') AS failed,
                       count(*) FILTER (WHERE state = 'cancelled') AS cancelled, count(*) FILTER (WHERE sends > 1) AS doubles
                FROM retry_items WHERE retry_id = t.id) i
            ORDER BY t.id DESC
            """,
            r => new RetrySummary(r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.Value<float>(4), r.GetInt32(5), r.GetInt32(6), r.Text(7), r.GetString(8),
                r.GetFieldValue<DateTimeOffset>(9), r.Value<DateTimeOffset>(10), r.GetInt64(11), r.GetInt64(12), r.GetInt64(13), r.GetInt64(14), r.GetInt64(15), r.GetInt64(16), r.GetInt64(17)),
            ct, values);
}
