using System.Globalization;
using ImageSearch.Catalog.Vectors;
using Npgsql;

namespace ImageSearch.Catalog;

/// <param name="Name">As in the manifest: <c>name/version</c>.</param>
/// <param name="State"><c>registered</c>, <c>filling</c>, <c>active</c> or <c>standby</c>.</param>
public sealed record RegisteredModel(short Id, string Name, int Dimensions, float[]? Mean, string State)
{
    /// <summary>New pictures are embedded with it: the active model and those being filled or kept ready for a switch back.</summary>
    public bool IsLive => State is "active" or "filling" or "standby";
}

/// <summary>Embedding models and the vectors under each. Vectors are written by embedder only, model states by operator (and provisioning).</summary>
public sealed class EmbeddingCatalog(NpgsqlDataSource db)
{
    public async Task<IReadOnlyList<RegisteredModel>> ModelsAsync(CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT id, name, dimensions, mean, state FROM embedding_models ORDER BY id");
        List<RegisteredModel> models = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            models.Add(new(reader.GetInt16(0), reader.GetString(1), reader.GetInt32(2), reader.IsDBNull(3) ? null : reader.GetFieldValue<float[]>(3), reader.GetString(4)));
        }

        return models;
    }

    /// <summary>
    /// Makes a model known and builds the partial HNSW index of the kind that was chosen for it (half precision at first). The first model ever becomes the active one.
    /// Doing it twice changes nothing.
    /// </summary>
    public async Task<RegisteredModel> RegisterModelAsync(string name, int dimensions, float[]? mean, CancellationToken ct = default)
    {
        await using var insert = db.CreateCommand("""
            INSERT INTO embedding_models (name, dimensions, mean, state, activated_at)
            SELECT $1, $2, $3, CASE WHEN first THEN 'active' ELSE 'registered' END, CASE WHEN first THEN now() END
            FROM (SELECT NOT EXISTS (SELECT FROM embedding_models WHERE state = 'active') AS first) f
            ON CONFLICT (name) DO UPDATE SET mean = EXCLUDED.mean
            RETURNING id, dimensions, state
            """);
        insert.Parameters.Add(new() { Value = name });
        insert.Parameters.Add(new() { Value = dimensions });
        insert.Parameters.Add(new() { Value = (object?)mean ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Real });
        RegisteredModel model;
        await using (var reader = await insert.ExecuteReaderAsync(ct))
        {
            await reader.ReadAsync(ct);
            model = new(reader.GetInt16(0), name, reader.GetInt32(1), mean, reader.GetString(2));
        }

        if (model.Dimensions != dimensions)
        {
            throw new InvalidOperationException($"Model {name} is known with {model.Dimensions} dimensions, not {dimensions}. Give the changed model a new version.");
        }

        var indexes = new VectorIndexCatalog(db);
        await indexes.BuildAsync(model, await indexes.KindAsync(model.Id, ct), ct: ct);
        return model;
    }

    /// <summary>Images out of <paramref name="images"/> that have a vector under the model.</summary>
    public async Task<IReadOnlySet<long>> PresentAsync(short model, long[] images, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT image_id FROM embeddings WHERE model_id = $1 AND image_id = ANY($2)");
        command.Parameters.Add(new() { Value = model });
        command.Parameters.Add(new() { Value = images });
        HashSet<long> present = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            present.Add(reader.GetInt64(0));
        }

        return present;
    }

    /// <summary>Stores or replaces vectors of length <see cref="RegisteredModel.Dimensions"/>; images that are gone are left out.</summary>
    /// <returns>Images whose vector was stored.</returns>
    public async Task<IReadOnlySet<long>> StoreAsync(RegisteredModel model, IReadOnlyList<(long Image, float[] Vector)> vectors, CancellationToken ct = default)
    {
        // Sorted, so that two writers lock rows in the same order. One flat array: PostgreSQL has no arrays of arrays of differing rows.
        var sorted = vectors.OrderBy(v => v.Image).DistinctBy(v => v.Image).ToArray();
        await using var command = db.CreateCommand(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO embeddings (model_id, image_id, vector)
            SELECT $1, i.id, ($3::real[])[(v.n - 1) * {model.Dimensions} + 1 : v.n * {model.Dimensions}]::halfvec({model.Dimensions})
            FROM unnest($2::bigint[]) WITH ORDINALITY AS v(id, n) JOIN images i ON i.id = v.id
            ORDER BY i.id FOR KEY SHARE OF i
            ON CONFLICT (model_id, image_id) DO UPDATE SET vector = EXCLUDED.vector, created_at = now()
            RETURNING image_id
            """));
        command.Parameters.Add(new() { Value = model.Id });
        command.Parameters.Add(new() { Value = sorted.Select(v => v.Image).ToArray() });
        command.Parameters.Add(new() { Value = sorted.SelectMany(v => v.Vector).ToArray() });
        HashSet<long> stored = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            stored.Add(reader.GetInt64(0));
        }

        return stored;
    }
}
