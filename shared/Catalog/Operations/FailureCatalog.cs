using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Catalog.Operations;

/// <summary>Takes failed messages in. Written by operator only.</summary>
public sealed class FailureCatalog(NpgsqlDataSource db)
{
    private static readonly TimeSpan[] AutomaticDelays = [TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2)];

    /// <summary>When a message that has failed this often is sent again without a person; null: never.</summary>
    public static TimeSpan? AutomaticDelay(bool transient, int attempts, IReadOnlyList<TimeSpan>? delays = null) =>
        transient && attempts <= (delays ?? AutomaticDelays).Count ? (delays ?? AutomaticDelays)[attempts - 1] : null;

    /// <summary>Stores failures in one transaction. Those that are stored already are left out, so that the caller may repeat the call.</summary>
    /// <param name="failures">Any number; a few hundred at once are quickest.</param>
    /// <param name="delays">Waits of automatic later retries; null for 5 min, 30 min, 2 h.</param>
    /// <returns>Number of failures that were new.</returns>
    public async Task<int> StoreAsync(IReadOnlyList<NewFailure> failures, IReadOnlyList<TimeSpan>? delays = null, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var keys = failures.Select(f => f.DeliveryKey).ToArray();
        var known = await connection.ReadAsync("SELECT delivery_key FROM failure_attempts WHERE delivery_key = ANY($1)", r => Convert.ToHexString(r.GetFieldValue<byte[]>(0)), ct, (object)keys);
        var seen = known.ToHashSet();
        List<NewFailure> fresh = [];
        List<byte[]> copies = [];
        foreach (var f in failures)
        {
            if (seen.Add(Convert.ToHexString(f.DeliveryKey)))
            {
                fresh.Add(f);
            }
            else if (!f.HasIdentity && !f.Redelivered)
            {
                copies.Add(f.DeliveryKey);
            }
        }

        var retried = fresh.Where(f => f.RetryOf is not null).Select(f => f.RetryOf!.Value).Distinct().ToArray();
        var attemptsOf = retried.Length == 0 ? [] : (await connection.ReadAsync(
            "SELECT id, attempts FROM failed_messages WHERE id = ANY($1) ORDER BY id FOR UPDATE", r => (Id: r.GetInt64(0), Attempts: r.GetInt32(1)), ct, (object)retried)).ToDictionary(r => r.Id, r => r.Attempts);
        var ids = new Queue<long>(await connection.ReadAsync(
            "SELECT nextval(pg_get_serial_sequence('failed_messages', 'id')) FROM generate_series(1, $1)", r => r.GetInt64(0), ct, fresh.Count));

        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var f in fresh)
        {
            if (f.RetryOf is { } id && attemptsOf.TryGetValue(id, out var attempts))
            {
                attemptsOf[id] = ++attempts;
                AddRepeat(batch, id, f, attempts, delays);
            }
            else
            {
                id = ids.Dequeue();
                AddFirst(batch, id, f, delays);
            }

            Add(batch, "INSERT INTO failure_attempts (delivery_key, failure_id, failed_at, exception_type, exception_message, first_frame) VALUES ($1, $2, $3, $4, $5, $6)",
                f.DeliveryKey, id, f.FailedAt, f.ExceptionType, f.ExceptionMessage, f.FirstFrame);
        }

        foreach (var key in copies)
        {
            Add(batch, "UPDATE failed_messages SET copies = copies + 1 WHERE id = (SELECT failure_id FROM failure_attempts WHERE delivery_key = $1)", key);
        }

        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(ct);
        }

        await transaction.CommitAsync(ct);
        return fresh.Count;
    }

    private static void AddFirst(NpgsqlBatch batch, long id, NewFailure f, IReadOnlyList<TimeSpan>? delays)
    {
        Add(batch, """
        INSERT INTO failed_messages (id, endpoint, source, message_id, message_type, exception_type, exception_message, stack_trace, first_frame, group_key, transient,
            image_id, sha256, bucket, key, trace_id, properties, headers, body, first_failed_at, last_failed_at, next_retry_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20, now() + $21)
        """,
        id, f.Endpoint, f.Source, f.MessageId, f.MessageType, f.ExceptionType, f.ExceptionMessage, f.StackTrace, f.FirstFrame, f.GroupKey, f.Transient,
        f.Image, f.Sha256, f.Bucket, f.Key, f.TraceId, Json(f.Properties), Json(f.Headers), f.Body, f.FailedAt, Interval(AutomaticDelay(f.Transient, 1, delays)));
        Add(batch, "INSERT INTO failure_texts (failure_id, text) VALUES ($1, $2)", id, f.SearchText);
    }

    // The message keeps its row and history; the body stays as it was sent. The open retry learns that it was in vain, and so does a retry
    // that was taken for a success too early.
    private static void AddRepeat(NpgsqlBatch batch, long id, NewFailure f, int attempts, IReadOnlyList<TimeSpan>? delays)
    {
        Add(batch, """
            UPDATE failed_messages SET state = 'failed', source = $2, exception_type = $3, exception_message = $4, stack_trace = $5, first_frame = $6, group_key = $7,
                transient = $8, headers = $9, attempts = $10, last_failed_at = $11, next_retry_at = now() + $12, changed_at = now()
            WHERE id = $1
            """,
            id, f.Source, f.ExceptionType, f.ExceptionMessage, f.StackTrace, f.FirstFrame, f.GroupKey, f.Transient, Json(f.Headers), attempts, f.FailedAt,
            Interval(AutomaticDelay(f.Transient, attempts, delays)));
        Add(batch, "UPDATE failure_texts SET text = $2 WHERE failure_id = $1", id, f.SearchText);
        Add(batch, """
            UPDATE retry_items SET state = 'failed', decided_at = now(), decided_by = 'failure'
            WHERE failure_id = $1 AND state IN ('sending', 'sent', 'succeeded')
              AND retry_id = (SELECT max(retry_id) FROM retry_items WHERE failure_id = $1 AND sends > 0)
            """, id);
    }

    private static void Add(NpgsqlBatch batch, string sql, params object?[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(value as NpgsqlParameter ?? SqlCommands.Parameter(value));
        }

        batch.BatchCommands.Add(command);
    }

    private static NpgsqlParameter Json(string json) => new() { Value = json, NpgsqlDbType = NpgsqlDbType.Jsonb };

    private static NpgsqlParameter Interval(TimeSpan? delay) => new() { Value = (object?)delay ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Interval };
}
