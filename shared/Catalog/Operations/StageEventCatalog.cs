using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Catalog.Operations;

/// <param name="Stage">ingested, rejected, removed, encoded, embedded, captioned or requested.</param>
public sealed record StageEvent(Guid MessageId, DateTimeOffset At, string Stage, long? Image, byte[]? Sha256, string? Bucket, string? Key, string? Detail, string? TraceId);

/// <summary>What happened to each picture, as the pipeline's events tell. Written by operator only.</summary>
public sealed class StageEventCatalog(NpgsqlDataSource db)
{
    /// <summary>Stores events in one statement; those that are there already are left out.</summary>
    public async Task StoreAsync(IReadOnlyList<StageEvent> events, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            INSERT INTO stage_events (message_id, at, stage, image_id, sha256, bucket, key, detail, trace_id)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (message_id) DO NOTHING
            """);
        Add(NpgsqlDbType.Uuid, events.Select(e => e.MessageId).ToArray());
        Add(NpgsqlDbType.TimestampTz, events.Select(e => e.At.ToUniversalTime()).ToArray());
        Add(NpgsqlDbType.Text, events.Select(e => e.Stage).ToArray());
        Add(NpgsqlDbType.Bigint, events.Select(e => e.Image).ToArray());
        Add(NpgsqlDbType.Bytea, events.Select(e => e.Sha256).ToArray());
        Add(NpgsqlDbType.Text, events.Select(e => e.Bucket).ToArray());
        Add(NpgsqlDbType.Text, events.Select(e => e.Key).ToArray());
        Add(NpgsqlDbType.Text, events.Select(e => e.Detail).ToArray());
        Add(NpgsqlDbType.Text, events.Select(e => e.TraceId).ToArray());
        await command.ExecuteNonQueryAsync(ct);

        void Add(NpgsqlDbType type, Array values) => command.Parameters.Add(new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | type });
    }

    /// <summary>Events of one image, or of a key whose image never came to be, oldest first.</summary>
    public Task<List<StageEvent>> OfPictureAsync(long? image, byte[]? sha256, string? key, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT message_id, at, stage, image_id, sha256, bucket, key, detail, trace_id FROM stage_events
            WHERE image_id = $1 OR sha256 = $2 OR ($3::text IS NOT NULL AND key = $3) ORDER BY at, recorded_at LIMIT 1000
            """,
            r => new StageEvent(r.GetGuid(0), r.GetFieldValue<DateTimeOffset>(1), r.GetString(2), r.Value<long>(3), r.IsDBNull(4) ? null : r.GetFieldValue<byte[]>(4), r.Text(5), r.Text(6), r.Text(7), r.Text(8)),
            ct, image, sha256, key);

    /// <summary>Events of each stage since a time.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountSinceAsync(DateTimeOffset since, CancellationToken ct = default) =>
        (await db.ReadAsync("SELECT stage, count(*) FROM stage_events WHERE at >= $1 GROUP BY stage", r => (r.GetString(0), r.GetInt64(1)), ct, since.ToUniversalTime())).ToDictionary();
}
