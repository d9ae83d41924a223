using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog.Operations;

public sealed record PictureKey(string Bucket, string Key, string ETag, long Bytes, DateTimeOffset SeenAt);

public sealed record PictureBitstream(string Model, float Quality, string Key, long Bytes, string ThumbnailKey, float EncodeMilliseconds, DateTimeOffset CreatedAt);

public sealed record PictureVector(string Model, string ModelState, bool Present, DateTimeOffset? CreatedAt);

/// <param name="Caption">Of the whole picture.</param>
public sealed record PictureTexts(string Captioner, string PromptVersion, int Regions, string[] Tags, string Caption, DateTimeOffset CreatedAt);

/// <summary>All that the catalogue holds of one image.</summary>
public sealed record PictureState(
    long Image, string ImageId, string Format, int Width, int Height, long Bytes, DateTimeOffset? TakenAt, DateTimeOffset CreatedAt,
    IReadOnlyList<PictureKey> Keys, PictureBitstream? Bitstream, IReadOnlyList<PictureVector> Vectors, PictureTexts? Texts);

/// <summary>Read-only view of single images, for people.</summary>
public sealed class PictureCatalog(NpgsqlDataSource db)
{
    /// <param name="text">Number, 64 hexadecimal digits, or a key with or without its bucket.</param>
    public async Task<long?> ResolveAsync(string text, CancellationToken ct = default)
    {
        if (ImageId.TryParse(text, out var id))
        {
            return await db.ScalarAsync<long?>("SELECT id FROM images WHERE sha256 = $1", ct, id.ToBytes());
        }

        var byKey = await db.ScalarAsync<long?>("SELECT image_id FROM objects WHERE key = $1 OR (bucket = split_part($1, '/', 1) AND key = substr($1, strpos($1, '/') + 1)) LIMIT 1", ct, text);
        return byKey ?? (long.TryParse(text, out var number) ? await db.ScalarAsync<long?>("SELECT id FROM images WHERE id = $1", ct, number) : null);
    }

    public async Task<PictureState?> FindAsync(long image, CancellationToken ct = default)
    {
        var keys = await db.ReadAsync("SELECT bucket, key, etag, bytes, seen_at FROM objects WHERE image_id = $1 ORDER BY seen_at LIMIT 100",
            r => new PictureKey(r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt64(3), r.GetFieldValue<DateTimeOffset>(4)), ct, image);
        var bitstream = await db.ReadAsync("SELECT model, quality, key, bytes, thumbnail_key, encode_ms, created_at FROM bitstreams WHERE image_id = $1",
            r => new PictureBitstream(r.GetString(0), r.GetFloat(1), r.GetString(2), r.GetInt64(3), r.GetString(4), r.GetFloat(5), r.GetFieldValue<DateTimeOffset>(6)), ct, image);
        var vectors = await db.ReadAsync("""
            SELECT m.name, m.state, e.image_id IS NOT NULL, e.created_at FROM embedding_models m LEFT JOIN embeddings e ON e.model_id = m.id AND e.image_id = $1
            WHERE m.state <> 'registered' OR e.image_id IS NOT NULL ORDER BY m.id
            """, r => new PictureVector(r.GetString(0), r.GetString(1), r.GetBoolean(2), r.Value<DateTimeOffset>(3)), ct, image);
        var texts = await db.ReadAsync("""
            SELECT captioner, prompt_version, (SELECT count(*)::int FROM captions WHERE image_id = $1), tags, caption, created_at FROM captions WHERE image_id = $1 ORDER BY region LIMIT 1
            """, r => new PictureTexts(r.GetString(0), r.GetString(1), r.GetInt32(2), r.GetFieldValue<string[]>(3), r.GetString(4), r.GetFieldValue<DateTimeOffset>(5)), ct, image);
        return (await db.ReadAsync("SELECT id, sha256, format, width, height, bytes, taken_at, created_at FROM images WHERE id = $1",
            r => new PictureState(r.GetInt64(0), r.Hex(1)!, r.GetString(2), r.GetInt32(3), r.GetInt32(4), r.GetInt64(5), r.Value<DateTimeOffset>(6), r.GetFieldValue<DateTimeOffset>(7),
                keys, bitstream.FirstOrDefault(), vectors, texts.FirstOrDefault()), ct, image)).FirstOrDefault();
    }

    /// <summary>For each stage, the time since which its oldest unfinished picture waits, among pictures of the last 7 days; stages without one are left out.</summary>
    public async Task<IReadOnlyDictionary<string, DateTimeOffset>> OldestWaitingAsync(CancellationToken ct = default) =>
        (await db.ReadAsync("""
            WITH recent AS (SELECT id, created_at FROM images WHERE created_at > now() - interval '7 days')
            SELECT 'encode', min(r.created_at) FROM recent r WHERE NOT EXISTS (SELECT FROM bitstreams b WHERE b.image_id = r.id)
            UNION ALL SELECT 'embed', min(b.created_at) FROM recent r JOIN bitstreams b ON b.image_id = r.id
                WHERE NOT EXISTS (SELECT FROM embeddings e JOIN embedding_models m ON m.id = e.model_id AND m.state = 'active' WHERE e.image_id = r.id)
            UNION ALL SELECT 'caption', min(r.created_at) FROM recent r WHERE NOT EXISTS (SELECT FROM captions c WHERE c.image_id = r.id)
            """, r => (r.GetString(0), r.Value<DateTimeOffset>(1)), ct)).Where(r => r.Item2 is not null).ToDictionary(r => r.Item1, r => r.Item2!.Value);
}
