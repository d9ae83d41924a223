using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>How far pictures have come on their way to being searchable.</summary>
/// <param name="Searchable">Bitstream, vector under the active model and texts are there.</param>
public sealed record Progress(long Images, long Encoded, long Embedded, long Captioned, long Searchable, long Rejected);

/// <summary>Read-only counts, for progress displays.</summary>
public sealed class ProgressCatalog(NpgsqlDataSource db)
{
    /// <summary>Counts over all images, or over those with the given ids only (rejected objects are counted over all in the first case, none in the second).</summary>
    public async Task<Progress> CountAsync(IReadOnlyCollection<ImageId>? only = null, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT count(*), count(b.image_id), count(e.image_id), count(c.image_id),
                   count(*) FILTER (WHERE b.image_id IS NOT NULL AND e.image_id IS NOT NULL AND c.image_id IS NOT NULL),
                   CASE WHEN $1::bytea[] IS NULL THEN (SELECT count(*) FROM rejections) ELSE 0 END
            FROM images i
            LEFT JOIN bitstreams b ON b.image_id = i.id
            LEFT JOIN embeddings e ON e.image_id = i.id AND e.model_id = (SELECT id FROM embedding_models WHERE state = 'active')
            LEFT JOIN captions c ON c.image_id = i.id AND c.region = 0
            WHERE $1::bytea[] IS NULL OR i.sha256 = ANY($1)
            """);
        command.Parameters.Add(new()
        {
            Value = only is null ? DBNull.Value : only.Select(i => i.ToBytes()).ToArray(),
            NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Bytea,
        });
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5));
    }
}
