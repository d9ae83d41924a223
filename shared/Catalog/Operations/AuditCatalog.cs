using ImageSearch.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Catalog.Operations;

public sealed record AuditState(
    long Id, string State, bool Deep, bool Repair, int GraceSeconds, string Phase, string Cursor, long Checked, long Total, string? Error, string Actor, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <param name="Kind">One of <see cref="FindingKinds"/>.</param>
public sealed record NewFinding(string Kind, string Detail, long? Image = null, byte[]? Sha256 = null, string? Bucket = null, string? Key = null, string? Model = null);

public sealed record Finding(long Id, string Kind, long? Image, string? ImageId, string? Bucket, string? Key, string? Model, string Detail, DateTimeOffset? RepairedAt, string? Repair);

public sealed record FindingCount(string Kind, long Found, long Repaired);

/// <summary>Kinds of gaps that an audit finds.</summary>
public static class FindingKinds
{
    public const string UploadUnknown = "upload-unknown";
    public const string UploadChanged = "upload-changed";
    public const string UploadMissing = "upload-missing";
    public const string ImageWithoutKey = "image-without-key";
    public const string BitstreamMissing = "bitstream-missing";
    public const string BitstreamObjectMissing = "bitstream-object-missing";
    public const string BitstreamDamaged = "bitstream-damaged";
    public const string ThumbnailMissing = "thumbnail-missing";
    public const string VectorMissing = "vector-missing";
    public const string TextMissing = "text-missing";
    public const string LexicalMissing = "lexical-missing";
    public const string DerivedOrphan = "derived-orphan";
    public const string DerivedForeign = "derived-foreign";
}

/// <summary>A bitstream as the audit compares it with the store.</summary>
public sealed record AuditedBitstream(long Image, byte[] ImageSha256, string Key, long Bytes, byte[] Sha256, string ThumbnailKey, DateTimeOffset CreatedAt);

/// <summary>What the catalogue lacks of one image.</summary>
/// <param name="Lexical">Texts are there but not in the lexical index.</param>
public sealed record ImageGaps(long Image, byte[] Sha256, bool Key, bool Bitstream, bool Texts, bool Lexical, string[] Models);

/// <summary>Audits and their findings, and the pages of the catalogue that audits walk. Audit rows are written by operator only.</summary>
public sealed class AuditCatalog(NpgsqlDataSource db)
{
    private const string StateColumns = "id, state, deep, repair, grace_seconds, phase, cursor, checked, total, error, actor, started_at, finished_at";

    /// <returns>Number of the audit; null if one is running already.</returns>
    public Task<long?> StartAsync(bool deep, bool repair, int graceSeconds, string actor, CancellationToken ct = default) =>
        db.ScalarAsync<long?>("""
            WITH one AS (SELECT pg_advisory_xact_lock(hashtextextended('imagesearch audit start', 0)))
            INSERT INTO audits (deep, repair, grace_seconds, actor, total)
            SELECT $1, $2, $3, $4, (SELECT sum(greatest(reltuples, 0)) FROM pg_class WHERE oid IN ('objects'::regclass, 'images'::regclass, 'bitstreams'::regclass))
                                   + CASE WHEN $1 THEN (SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'bitstreams'::regclass) ELSE 0 END
            FROM one WHERE NOT EXISTS (SELECT FROM audits WHERE state IN ('running', 'repairing')) RETURNING id
            """, ct, deep, repair, graceSeconds, actor);

    public Task<List<AuditState>> ListAsync(int limit, CancellationToken ct = default) =>
        db.ReadAsync($"SELECT {StateColumns} FROM audits ORDER BY id DESC LIMIT $1", State, ct, limit);

    public Task<List<AuditState>> OpenAsync(CancellationToken ct = default) =>
        db.ReadAsync($"SELECT {StateColumns} FROM audits WHERE state IN ('running', 'repairing') ORDER BY id", State, ct);

    public async Task<AuditState?> FindAsync(long id, CancellationToken ct = default) => (await db.ReadAsync($"SELECT {StateColumns} FROM audits WHERE id = $1", State, ct, id)).FirstOrDefault();

    /// <summary>When the last audit began; null if there was none.</summary>
    public async Task<DateTimeOffset?> LastStartAsync(CancellationToken ct = default) =>
        (await db.ReadAsync("SELECT max(started_at) FROM audits", r => r.Value<DateTimeOffset>(0), ct))[0];

    /// <summary>Stores a page's findings and how far the audit has come, in one transaction, so that it goes on from there after a stop.</summary>
    /// <returns>False if the audit was cancelled.</returns>
    public async Task<bool> SaveAsync(long audit, string phase, string cursor, long checkedNow, IReadOnlyList<NewFinding> findings, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (await connection.ExecuteAsync("UPDATE audits SET phase = $2, cursor = $3, checked = checked + $4 WHERE id = $1 AND state IN ('running', 'repairing')", ct, audit, phase, cursor, checkedNow) == 0)
        {
            return false;
        }

        if (findings.Count > 0)
        {
            await using var insert = connection.Command("""
                INSERT INTO audit_findings (audit_id, kind, detail, image_id, sha256, bucket, key, model)
                SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[])
                """, audit, findings.Select(f => f.Kind).ToArray(), findings.Select(f => f.Detail).ToArray());
            Add(NpgsqlDbType.Bigint, findings.Select(f => f.Image).ToArray());
            Add(NpgsqlDbType.Bytea, findings.Select(f => f.Sha256).ToArray());
            Add(NpgsqlDbType.Text, findings.Select(f => f.Bucket).ToArray());
            Add(NpgsqlDbType.Text, findings.Select(f => f.Key).ToArray());
            Add(NpgsqlDbType.Text, findings.Select(f => f.Model).ToArray());
            await insert.ExecuteNonQueryAsync(ct);

            void Add(NpgsqlDbType type, Array values) => insert.Parameters.Add(new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | type });
        }

        await transaction.CommitAsync(ct);
        return true;
    }

    /// <summary>Moves an audit on: running to repairing or done, repairing to done, either to cancelled or failed.</summary>
    public async Task<bool> ChangeAsync(long audit, string state, string? error = null, CancellationToken ct = default) =>
        await db.ExecuteAsync("""
            UPDATE audits SET state = $2, error = $3, finished_at = CASE WHEN $2 IN ('running', 'repairing') THEN NULL ELSE now() END
            WHERE id = $1 AND (state IN ('running', 'repairing') OR ($2 = 'repairing' AND state = 'done'))
            """, ct, audit, state, error) == 1;

    public Task<List<FindingCount>> CountsAsync(long audit, CancellationToken ct = default) =>
        db.ReadAsync("SELECT kind, count(*), count(repaired_at) FROM audit_findings WHERE audit_id = $1 GROUP BY kind ORDER BY kind",
            r => new FindingCount(r.GetString(0), r.GetInt64(1), r.GetInt64(2)), ct, audit);

    public Task<List<Finding>> FindingsAsync(long audit, string? kind, bool openOnly, long after, int limit, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT id, kind, image_id, sha256, bucket, key, model, detail, repaired_at, repair FROM audit_findings
            WHERE audit_id = $1 AND ($2::text IS NULL OR kind = $2) AND (NOT $3 OR repaired_at IS NULL) AND id > $4 ORDER BY id LIMIT $5
            """,
            r => new Finding(r.GetInt64(0), r.GetString(1), r.Value<long>(2), r.Hex(3), r.Text(4), r.Text(5), r.Text(6), r.GetString(7), r.Value<DateTimeOffset>(8), r.Text(9)),
            ct, audit, kind, openOnly, after, limit);

    public Task RepairedAsync(long[] findings, string[] repairs, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE audit_findings f SET repaired_at = now(), repair = r.what FROM unnest($1::bigint[], $2::text[]) AS r(id, what) WHERE f.id = r.id", ct, findings, repairs);

    /// <summary>Bitstreams in byte order of their keys.</summary>
    public Task<List<AuditedBitstream>> BitstreamsByKeyAsync(string after, int limit, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT b.image_id, i.sha256, b.key, b.bytes, b.sha256, b.thumbnail_key, b.created_at FROM bitstreams b JOIN images i ON i.id = b.image_id
            WHERE b.key COLLATE "C" > $1 ORDER BY b.key COLLATE "C" LIMIT $2
            """, Bitstream, ct, after, limit);

    /// <summary>Bitstreams in the order of their images' ids (SHA-256), which is the order of thumbnails in the store.</summary>
    public Task<List<AuditedBitstream>> BitstreamsByIdAsync(byte[] after, int limit, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT b.image_id, i.sha256, b.key, b.bytes, b.sha256, b.thumbnail_key, b.created_at FROM images i JOIN bitstreams b ON b.image_id = i.id
            WHERE i.sha256 > $1 ORDER BY i.sha256 LIMIT $2
            """, Bitstream, ct, after, limit);

    /// <summary>The present bitstream and thumbnail keys of images; images without bitstream have no entry.</summary>
    public async Task<IReadOnlyDictionary<string, (string Key, string Thumbnail)>> DerivedKeysAsync(IEnumerable<ImageId> ids, CancellationToken ct = default) =>
        (await db.ReadAsync("SELECT i.sha256, b.key, b.thumbnail_key FROM images i JOIN bitstreams b ON b.image_id = i.id WHERE i.sha256 = ANY($1)",
            r => (r.Hex(0)!, (r.GetString(1), r.GetString(2))), ct, (object)ids.Select(i => i.ToBytes()).ToArray())).ToDictionary();

    /// <summary>A page of images in the order of their numbers, with what each lacks.</summary>
    /// <returns>Gaps of images older than <paramref name="before"/>, the last number of the page (null at the end), and how many images it had.</returns>
    public async Task<(IReadOnlyList<ImageGaps> Gaps, long? Last, int Count)> GapsAsync(long after, int limit, DateTimeOffset before, CancellationToken ct = default)
    {
        var lexical = await db.ScalarAsync<bool>("SELECT to_regclass('lexical_documents') IS NOT NULL", ct);
        var rows = await db.ReadAsync($"""
            WITH page AS (SELECT id, sha256, created_at FROM images WHERE id > $1 ORDER BY id LIMIT $2)
            SELECT p.id, p.sha256, p.created_at < $3,
                EXISTS (SELECT FROM objects o WHERE o.image_id = p.id), EXISTS (SELECT FROM bitstreams b WHERE b.image_id = p.id),
                EXISTS (SELECT FROM captions c WHERE c.image_id = p.id),
                {(lexical ? "EXISTS (SELECT FROM lexical_documents l WHERE l.image_id = p.id)" : "true")},
                ARRAY(SELECT m.name FROM embedding_models m WHERE m.state IN ('active', 'standby')
                      AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_id = m.id AND e.image_id = p.id) ORDER BY m.id)
            FROM page p ORDER BY p.id
            """,
            r => (Old: r.GetBoolean(2), Gaps: new ImageGaps(r.GetInt64(0), r.GetFieldValue<byte[]>(1), r.GetBoolean(3), r.GetBoolean(4), r.GetBoolean(5), r.GetBoolean(6), r.GetFieldValue<string[]>(7))),
            ct, after, limit, before.ToUniversalTime());
        return ([.. rows.Where(r => r.Old && r.Gaps is not { Key: true, Bitstream: true, Texts: true, Lexical: true, Models: [] }).Select(r => r.Gaps)],
            rows.Count == limit ? rows[^1].Gaps.Image : null, rows.Count);
    }

    /// <summary>Keys of the upload bucket after a key in byte order that are registered (with their image) or rejected.</summary>
    public Task<List<(string Key, string ETag, long? Image, byte[]? Sha256, DateTimeOffset SeenAt)>> UploadsAsync(string bucket, string after, int limit, CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT * FROM (
                (SELECT o.key, o.etag, o.image_id, i.sha256, o.seen_at FROM objects o JOIN images i ON i.id = o.image_id
                 WHERE o.bucket = $1 AND o.key COLLATE "C" > $2 ORDER BY o.key COLLATE "C" LIMIT $3)
                UNION ALL
                (SELECT key, etag, NULL, NULL, rejected_at FROM rejections WHERE bucket = $1 AND key COLLATE "C" > $2 ORDER BY key COLLATE "C" LIMIT $3)) u
            ORDER BY u.key COLLATE "C" LIMIT $3
            """,
            r => (r.GetString(0), r.GetString(1), r.Value<long>(2), r.IsDBNull(3) ? null : r.GetFieldValue<byte[]>(3), r.GetFieldValue<DateTimeOffset>(4)), ct, bucket, after, limit);

    private static AuditedBitstream Bitstream(NpgsqlDataReader r) =>
        new(r.GetInt64(0), r.GetFieldValue<byte[]>(1), r.GetString(2), r.GetInt64(3), r.GetFieldValue<byte[]>(4), r.GetString(5), r.GetFieldValue<DateTimeOffset>(6));

    private static AuditState State(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.GetBoolean(2), r.GetBoolean(3), r.GetInt32(4), r.GetString(5), r.GetString(6), r.GetInt64(7), r.GetInt64(8), r.Text(9), r.GetString(10),
        r.GetFieldValue<DateTimeOffset>(11), r.Value<DateTimeOffset>(12));
}
