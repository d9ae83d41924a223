using ImageSearch.Contracts;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Catalog;

/// <summary>What ingest found out about a picture.</summary>
/// <param name="Bytes">Length of the original.</param>
/// <param name="TakenAt">From EXIF, if any.</param>
public sealed record NewImage(ImageId Id, string Format, int Width, int Height, long Bytes, DateTimeOffset? TakenAt);

/// <summary>An object that the catalogue knows.</summary>
/// <param name="Complete">Bitstream, vector under the active model, and texts are all there.</param>
public sealed record KnownObject(long Image, ImageId Id, string ETag, bool Complete);

public sealed record RemovedImage(long Image, ImageId Id);

public sealed record Rejection(string Bucket, string Key, string ETag, string Code, string Reason, DateTimeOffset At);

/// <summary>Images, the keys they lie under, and rejected objects. Written by ingest only.</summary>
public sealed class ImageCatalog(NpgsqlDataSource db)
{
    public async Task<KnownObject?> FindObjectAsync(string bucket, string key, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT i.id, i.sha256, o.etag,
                   EXISTS (SELECT FROM bitstreams b WHERE b.image_id = i.id)
                   AND EXISTS (SELECT FROM captions c WHERE c.image_id = i.id)
                   AND NOT EXISTS (SELECT FROM embedding_models m WHERE m.state = 'active'
                                   AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_id = m.id AND e.image_id = i.id))
            FROM objects o JOIN images i ON i.id = o.image_id
            WHERE o.bucket = $1 AND o.key = $2
            """);
        command.Parameters.Add(new() { Value = bucket });
        command.Parameters.Add(new() { Value = key });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new(reader.GetInt64(0), ImageId.FromBytes(reader.GetFieldValue<byte[]>(1)), reader.GetString(2), reader.GetBoolean(3))
            : null;
    }

    /// <summary>
    /// Records that a key holds this picture. If the key held another picture and that was its last key, the other one is removed.
    /// </summary>
    /// <returns>The image's surrogate key, whether its content was new, and the image that went, if any.</returns>
    public async Task<(long Image, bool New, RemovedImage? Removed)> RegisterAsync(string bucket, string key, string etag, NewImage image, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await LockKeyAsync(connection, bucket, key, ct);

        // The no-op update locks the row against a concurrent removal of its last key.
        await using var insert = new NpgsqlCommand("""
            INSERT INTO images (sha256, format, width, height, bytes, taken_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (sha256) DO UPDATE SET sha256 = EXCLUDED.sha256
            RETURNING id, xmax = 0
            """, connection)
        {
            Parameters =
            {
                new() { Value = image.Id.ToBytes() }, new() { Value = image.Format }, new() { Value = image.Width }, new() { Value = image.Height },
                new() { Value = image.Bytes }, new() { Value = (object?)image.TakenAt?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz },
            },
        };
        long id;
        bool isNew;
        await using (var reader = await insert.ExecuteReaderAsync(ct))
        {
            await reader.ReadAsync(ct);
            (id, isNew) = (reader.GetInt64(0), reader.GetBoolean(1));
        }

        var previous = await ScalarAsync<long?>(connection, "SELECT image_id FROM objects WHERE bucket = $1 AND key = $2", ct, bucket, key);
        await ExecuteAsync(connection, """
            INSERT INTO objects (bucket, key, image_id, etag, bytes) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (bucket, key) DO UPDATE SET image_id = EXCLUDED.image_id, etag = EXCLUDED.etag, bytes = EXCLUDED.bytes, seen_at = now()
            """, ct, bucket, key, id, etag, image.Bytes);
        await ExecuteAsync(connection, "DELETE FROM rejections WHERE bucket = $1 AND key = $2", ct, bucket, key);
        var removed = previous is { } other && other != id ? await RemoveIfUnreferencedAsync(connection, other, ct) : null;
        await transaction.CommitAsync(ct);
        return (id, isNew, removed);
    }

    /// <summary>Forgets a key. Returns the image if this was its last key; everything that refers to it is gone then.</summary>
    public async Task<RemovedImage?> RemoveObjectAsync(string bucket, string key, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var removed = await RemoveObjectAsync(connection, bucket, key, ct);
        await ExecuteAsync(connection, "DELETE FROM rejections WHERE bucket = $1 AND key = $2", ct, bucket, key);
        await transaction.CommitAsync(ct);
        return removed;
    }

    /// <summary>Records why an object is refused; a picture that lay under this key before is gone from it.</summary>
    public async Task<RemovedImage?> RejectAsync(string bucket, string key, string etag, string code, string reason, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var removed = await RemoveObjectAsync(connection, bucket, key, ct);
        await ExecuteAsync(connection, """
            INSERT INTO rejections (bucket, key, etag, code, reason) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (bucket, key) DO UPDATE SET etag = EXCLUDED.etag, code = EXCLUDED.code, reason = EXCLUDED.reason, rejected_at = now()
            """, ct, bucket, key, etag, code, reason);
        await transaction.CommitAsync(ct);
        return removed;
    }

    public async Task<Rejection?> FindRejectionAsync(string bucket, string key, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT bucket, key, etag, code, reason, rejected_at FROM rejections WHERE bucket = $1 AND key = $2");
        command.Parameters.Add(new() { Value = bucket });
        command.Parameters.Add(new() { Value = key });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(5))
            : null;
    }

    /// <summary>Keys after <paramref name="after"/> in byte order, registered or rejected, for reconciliation with the store's listing.</summary>
    public async Task<IReadOnlyList<(string Key, string ETag, bool Rejected)>> ListKeysAsync(string bucket, string after, int limit, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT key, etag, false FROM objects WHERE bucket = $1 AND key > $2
            UNION ALL
            SELECT key, etag, true FROM rejections WHERE bucket = $1 AND key > $2
            ORDER BY 1 LIMIT $3
            """);
        command.Parameters.Add(new() { Value = bucket });
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = limit });
        List<(string, string, bool)> keys = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            keys.Add((reader.GetString(0), reader.GetString(1), reader.GetBoolean(2)));
        }

        return keys;
    }

    /// <summary>All keys that hold the image's bytes; empty if the image is gone.</summary>
    public async Task<IReadOnlyList<(string Bucket, string Key, string ETag)>> KeysOfAsync(ImageId id, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT o.bucket, o.key, o.etag FROM images i JOIN objects o ON o.image_id = i.id WHERE i.sha256 = $1 ORDER BY o.bucket, o.key");
        command.Parameters.Add(new() { Value = id.ToBytes() });
        List<(string, string, string)> keys = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            keys.Add((reader.GetString(0), reader.GetString(1), reader.GetString(2)));
        }

        return keys;
    }

    /// <summary>Removals whose event may not have been published yet.</summary>
    public async Task<IReadOnlyList<RemovedImage>> PendingRemovalsAsync(CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT image_id, sha256 FROM pending_removals ORDER BY image_id LIMIT 1000");
        List<RemovedImage> removed = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            removed.Add(new(reader.GetInt64(0), ImageId.FromBytes(reader.GetFieldValue<byte[]>(1))));
        }

        return removed;
    }

    public async Task RemovalPublishedAsync(long image, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("DELETE FROM pending_removals WHERE image_id = $1");
        command.Parameters.Add(new() { Value = image });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<RemovedImage?> RemoveObjectAsync(NpgsqlConnection connection, string bucket, string key, CancellationToken ct)
    {
        await LockKeyAsync(connection, bucket, key, ct);
        var image = await ScalarAsync<long?>(connection, "DELETE FROM objects WHERE bucket = $1 AND key = $2 RETURNING image_id", ct, bucket, key);
        return image is { } id ? await RemoveIfUnreferencedAsync(connection, id, ct) : null;
    }

    private static async Task<RemovedImage?> RemoveIfUnreferencedAsync(NpgsqlConnection connection, long image, CancellationToken ct)
    {
        await ExecuteAsync(connection, "SELECT FROM images WHERE id = $1 FOR UPDATE", ct, image);
        var sha256 = await ScalarAsync<byte[]>(connection, """
            WITH gone AS (
                DELETE FROM images WHERE id = $1 AND NOT EXISTS (SELECT FROM objects WHERE image_id = $1) RETURNING id, sha256)
            INSERT INTO pending_removals (image_id, sha256) SELECT id, sha256 FROM gone RETURNING sha256
            """, ct, image);
        return sha256 is null ? null : new(image, ImageId.FromBytes(sha256));
    }

    // Two events for one key (a put and a delete, or the same put twice) are handled one after the other.
    private static Task LockKeyAsync(NpgsqlConnection connection, string bucket, string key, CancellationToken ct) =>
        ExecuteAsync(connection, "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))", ct, bucket, key);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<T?> ScalarAsync<T>(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteScalarAsync(ct) is { } value and not DBNull ? (T)value : default;
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, object[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        return command;
    }
}
