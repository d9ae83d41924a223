using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>What a result list shows of a picture.</summary>
/// <param name="BitstreamBytes">0 while it is not encoded.</param>
/// <param name="Key">The first of its keys in byte order.</param>
/// <param name="Captioner">Who wrote its texts; null while it has none.</param>
public sealed record ImageSummary(
    long Image, ImageId Id, string Format, int Width, int Height, long Bytes, long BitstreamBytes, DateTimeOffset? TakenAt, DateTimeOffset UploadedAt,
    string Key, string? Captioner, string Caption, string[] Tags);

/// <summary>One key that holds a picture's bytes.</summary>
public sealed record ImageObject(string Bucket, string Key);

/// <summary>Everything that the catalogue knows of a picture.</summary>
public sealed record ImageDetails(ImageSummary Summary, Bitstream? Bitstream, IReadOnlyList<ImageObject> Objects, ImageTexts? Texts, IReadOnlyList<string> Models);

public sealed record TagCount(string Tag, long Images);

/// <summary>Bytes of the originals that are encoded, and of their bitstreams.</summary>
public sealed record StoredBytes(long Originals, long Bitstreams);

/// <summary>Read-only questions about pictures.</summary>
public sealed class ImageReader(NpgsqlDataSource db)
{
    /// <summary>Surrogate key of a picture, or null.</summary>
    public async Task<long?> FindAsync(ImageId id, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT id FROM images WHERE sha256 = $1");
        command.Parameters.Add(new() { Value = id.ToBytes() });
        return await command.ExecuteScalarAsync(ct) as long?;
    }

    /// <summary>Highest surrogate key so far; 0 for an empty catalogue.</summary>
    public async Task<long> LastAsync(CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT coalesce(max(id), 0) FROM images");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Those of the given pictures that pass the filter.</summary>
    public async Task<IReadOnlySet<long>> AcceptAsync(ImageFilter filter, IReadOnlyList<long> images, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand();
        command.Parameters.Add(new() { Value = images.ToArray() });
        command.CommandText = $"SELECT i.id FROM images i WHERE i.id = ANY($1){filter.Where(command.Parameters)}";
        HashSet<long> accepted = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            accepted.Add(reader.GetInt64(0));
        }

        return accepted;
    }

    /// <summary>Newest pictures that pass the filter, newest first.</summary>
    public async Task<IReadOnlyList<long>> NewestAsync(ImageFilter filter, int limit, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand();
        command.Parameters.Add(new() { Value = limit });
        command.CommandText = $"SELECT i.id FROM images i WHERE true{filter.Where(command.Parameters)} ORDER BY i.id DESC LIMIT $1";
        List<long> images = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            images.Add(reader.GetInt64(0));
        }

        return images;
    }

    /// <summary>Summaries by surrogate key; pictures that are gone are left out.</summary>
    public async Task<IReadOnlyDictionary<long, ImageSummary>> SummariesAsync(long[] images, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT i.id, i.sha256, i.format, i.width, i.height, i.bytes, coalesce(b.bytes, 0), i.taken_at, i.created_at,
                   coalesce((SELECT min(o.key COLLATE "C") FROM objects o WHERE o.image_id = i.id), ''), c.captioner, coalesce(c.caption, ''), coalesce(c.tags, '{}')
            FROM images i
            LEFT JOIN bitstreams b ON b.image_id = i.id
            LEFT JOIN captions c ON c.image_id = i.id AND c.region = 0
            WHERE i.id = ANY($1)
            """);
        command.Parameters.Add(new() { Value = images });
        Dictionary<long, ImageSummary> summaries = [];
        await using var r = await command.ExecuteReaderAsync(ct);
        while (await r.ReadAsync(ct))
        {
            summaries.Add(r.GetInt64(0), new(
                r.GetInt64(0), ImageId.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2), r.GetInt32(3), r.GetInt32(4), r.GetInt64(5), r.GetInt64(6),
                r.IsDBNull(7) ? null : r.GetFieldValue<DateTimeOffset>(7), r.GetFieldValue<DateTimeOffset>(8),
                r.GetString(9), r.IsDBNull(10) ? null : r.GetString(10), r.GetString(11), r.GetFieldValue<string[]>(12)));
        }

        return summaries;
    }

    public async Task<ImageDetails?> DetailsAsync(ImageId id, CancellationToken ct = default)
    {
        if (await FindAsync(id, ct) is not { } image || !(await SummariesAsync([image], ct)).TryGetValue(image, out var summary))
        {
            return null;
        }

        return new(summary, await new BitstreamCatalog(db).FindAsync(image, ct), await ObjectsAsync(image, ct), await TextsAsync(image, ct), await ModelsAsync(image, ct));
    }

    /// <summary>Texts of all regions of a picture, the whole picture first; null while it has none.</summary>
    public Task<ImageTexts?> TextsAsync(long image, CancellationToken ct = default) => new CaptionCatalog(db).FindAsync(image, ct);

    /// <summary>Keys that hold the picture's bytes, in byte order.</summary>
    public async Task<IReadOnlyList<ImageObject>> ObjectsAsync(long image, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""SELECT bucket, key FROM objects WHERE image_id = $1 ORDER BY bucket COLLATE "C", key COLLATE "C" LIMIT 1000""");
        command.Parameters.Add(new() { Value = image });
        List<ImageObject> objects = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            objects.Add(new(reader.GetString(0), reader.GetString(1)));
        }

        return objects;
    }

    /// <summary>Every tag with the number of pictures that have it in some region, the most frequent first.</summary>
    public async Task<IReadOnlyList<TagCount>> TagsAsync(int limit, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT tag, count(DISTINCT image_id) AS n FROM captions, unnest(tags) AS tag GROUP BY tag ORDER BY n DESC, tag LIMIT $1
            """);
        command.Parameters.Add(new() { Value = limit });
        List<TagCount> tags = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            tags.Add(new(reader.GetString(0), reader.GetInt64(1)));
        }

        return tags;
    }

    public async Task<StoredBytes> StoredBytesAsync(CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT coalesce(sum(i.bytes), 0)::bigint, coalesce(sum(b.bytes), 0)::bigint FROM bitstreams b JOIN images i ON i.id = b.image_id
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new(reader.GetInt64(0), reader.GetInt64(1));
    }

    private async Task<IReadOnlyList<string>> ModelsAsync(long image, CancellationToken ct)
    {
        await using var command = db.CreateCommand("SELECT m.name FROM embeddings e JOIN embedding_models m ON m.id = e.model_id WHERE e.image_id = $1 ORDER BY m.name");
        command.Parameters.Add(new() { Value = image });
        List<string> names = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }
}
