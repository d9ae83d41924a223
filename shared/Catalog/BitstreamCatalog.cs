using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog;

/// <param name="Model">Codec as <c>name/version</c>.</param>
/// <param name="Bytes">Length of the stored stream.</param>
/// <param name="Sha256">Of the stored stream, for audits.</param>
public sealed record Bitstream(long Image, string Model, float Quality, string Key, long Bytes, byte[] Sha256, string ThumbnailKey, float EncodeMilliseconds);

/// <summary>The one bitstream of each image. Written by codec only.</summary>
public sealed class BitstreamCatalog(NpgsqlDataSource db)
{
    public async Task<Bitstream?> FindAsync(long image, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT model, quality, key, bytes, sha256, thumbnail_key, encode_ms FROM bitstreams WHERE image_id = $1");
        command.Parameters.Add(new() { Value = image });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new(image, reader.GetString(0), reader.GetFloat(1), reader.GetString(2), reader.GetInt64(3), reader.GetFieldValue<byte[]>(4), reader.GetString(5), reader.GetFloat(6))
            : null;
    }

    /// <summary>Stores or replaces the image's bitstream.</summary>
    /// <returns>False if the image is gone from the catalogue: the caller then deletes what it has put into the store.
    /// <c>ReplacedKey</c> is the key of the stream that was replaced, if it had another one.</returns>
    public async Task<(bool Stored, string? ReplacedKey)> StoreAsync(Bitstream b, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            WITH old AS (SELECT key FROM bitstreams WHERE image_id = $1),
            stored AS (
                INSERT INTO bitstreams (image_id, model, quality, key, bytes, sha256, thumbnail_key, encode_ms)
                SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM images WHERE id = $1 FOR KEY SHARE
                ON CONFLICT (image_id) DO UPDATE SET model = EXCLUDED.model, quality = EXCLUDED.quality, key = EXCLUDED.key, bytes = EXCLUDED.bytes,
                    sha256 = EXCLUDED.sha256, thumbnail_key = EXCLUDED.thumbnail_key, encode_ms = EXCLUDED.encode_ms, created_at = now()
                RETURNING key)
            SELECT (SELECT count(*) FROM stored) > 0, (SELECT old.key FROM old, stored WHERE old.key <> stored.key)
            """);
        foreach (var value in (object[])[b.Image, b.Model, b.Quality, b.Key, b.Bytes, b.Sha256, b.ThumbnailKey, b.EncodeMilliseconds])
        {
            command.Parameters.Add(new() { Value = value });
        }

        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetBoolean(0), reader.IsDBNull(1) ? null : reader.GetString(1));
    }

    /// <summary>Whether the catalogue holds an image with this content.</summary>
    public async Task<bool> ExistsAsync(ImageId id, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT EXISTS (SELECT FROM images WHERE sha256 = $1)");
        command.Parameters.Add(new() { Value = id.ToBytes() });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Holds, over all processes, the right to put or delete the derived objects of one content, until disposed.</summary>
    public async Task<IAsyncDisposable> LockAsync(ImageId id, CancellationToken ct = default)
    {
        var connection = await db.OpenConnectionAsync(ct);
        try
        {
            // Ends with the transaction, so a connection that breaks gives the lock back.
            await connection.BeginTransactionAsync(ct);
            await using var command = new NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", connection) { Parameters = { new() { Value = id.Hex } } };
            await command.ExecuteNonQueryAsync(ct);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
