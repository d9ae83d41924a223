using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog.Vectors;

/// <summary>Reads vectors out of the catalogue as they are, for tuning.</summary>
public sealed class StoredVectors(NpgsqlDataSource db)
{
    /// <summary>Pictures by id (64 hexadecimal digits) or by upload key; names that nothing is known under are left out.</summary>
    public async Task<IReadOnlyDictionary<string, long>> FindAsync(IReadOnlyCollection<string> names, CancellationToken ct = default)
    {
        Dictionary<string, long> found = [];
        await using var command = db.CreateCommand("""
            SELECT n, i.id FROM unnest($1, $2) AS q(n, sha256) JOIN images i ON i.sha256 = q.sha256
            UNION ALL
            SELECT key, image_id FROM objects WHERE key = ANY($1)
            """);
        command.Parameters.Add(new() { Value = names.ToArray() });
        command.Parameters.Add(new() { Value = names.Select(n => ImageId.TryParse(n, out var id) ? id.ToBytes() : null).ToArray(), NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Bytea });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            found.TryAdd(reader.GetString(0), reader.GetInt64(1));
        }

        return found;
    }

    /// <summary>Vectors of the given pictures under a model; pictures without one are left out.</summary>
    public Task<IReadOnlyDictionary<long, float[]>> OfAsync(short model, long[] images, CancellationToken ct = default) =>
        ReadAsync("SELECT image_id, vector::vector::real[] FROM embeddings WHERE model_id = $1 AND image_id = ANY($2)", model, images, ct);

    /// <summary>A sample of pictures that has nothing to do with when they came; the same one each time while the collection stays the same.</summary>
    public Task<IReadOnlyDictionary<long, float[]>> SampleAsync(short model, int count, CancellationToken ct = default) => ReadAsync(
        """
        SELECT image_id, vector::vector::real[] FROM embeddings JOIN
            (SELECT image_id FROM embeddings WHERE model_id = $1 ORDER BY hashint8extended(image_id, 1), image_id LIMIT $2) s USING (image_id)
        WHERE model_id = $1
        ORDER BY hashint8extended(image_id, 1), image_id
        """, model, count, ct);

    private async Task<IReadOnlyDictionary<long, float[]>> ReadAsync(string sql, short model, object parameter, CancellationToken ct)
    {
        await using var command = db.CreateCommand(sql);
        command.Parameters.Add(new() { Value = model });
        command.Parameters.Add(new() { Value = parameter });
        OrderedDictionary<long, float[]> vectors = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            vectors.Add(reader.GetInt64(0), reader.GetFieldValue<float[]>(1));
        }

        return vectors;
    }
}
