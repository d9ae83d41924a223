using Npgsql;

namespace ImageSearch.Catalog.Operations;

/// <param name="Vectors">Images that have a vector under the model.</param>
/// <param name="Images">All images.</param>
public sealed record ModelCoverage(short Id, string Name, int Dimensions, string State, long Vectors, long Images, DateTimeOffset CreatedAt, DateTimeOffset? ActivatedAt)
{
    public bool Whole => Vectors >= Images;
}

/// <summary>States of embedding models. The one that answers queries changes in one transaction, so that search always has one. Written by operator only.</summary>
public sealed class ModelSwitchCatalog(NpgsqlDataSource db)
{
    public Task<List<ModelCoverage>> ListAsync(CancellationToken ct = default) =>
        db.ReadAsync("""
            SELECT m.id, m.name, m.dimensions, m.state, (SELECT count(*) FROM embeddings e WHERE e.model_id = m.id), (SELECT count(*) FROM images), m.created_at, m.activated_at
            FROM embedding_models m ORDER BY m.id
            """,
            r => new ModelCoverage(r.GetInt16(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.GetInt64(4), r.GetInt64(5), r.GetFieldValue<DateTimeOffset>(6), r.Value<DateTimeOffset>(7)), ct);

    /// <summary>Lets new pictures be embedded under the model too. An active or standby model stays what it is.</summary>
    public Task BeginFillAsync(string name, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE embedding_models SET state = 'filling' WHERE name = $1 AND state = 'registered'", ct, name);

    /// <summary>
    /// Makes a model the one that answers queries; the one before stays filled, for switching back.
    /// </summary>
    /// <param name="force">Also when images lack a vector under it.</param>
    /// <returns>Images that lack a vector; the switch was made if it is 0 or <paramref name="force"/>. Null if the model is not known.</returns>
    public async Task<long?> ActivateAsync(string name, bool force, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(hashtextextended('imagesearch model switch', 0))", ct);
        if (await connection.ScalarAsync<short?>("SELECT id FROM embedding_models WHERE name = $1", ct, name) is not { } id)
        {
            return null;
        }

        var missing = await connection.ScalarAsync<long>("SELECT count(*) FROM images i WHERE NOT EXISTS (SELECT FROM embeddings e WHERE e.model_id = $1 AND e.image_id = i.id)", ct, id);
        if (missing == 0 || force)
        {
            // Two statements: the unique index on the active model is checked row by row.
            await connection.ExecuteAsync("UPDATE embedding_models SET state = 'standby' WHERE state = 'active' AND id <> $1", ct, id);
            await connection.ExecuteAsync("UPDATE embedding_models SET state = 'active', activated_at = now() WHERE id = $1 AND state <> 'active'", ct, id);
            await transaction.CommitAsync(ct);
        }

        return missing;
    }

    /// <summary>Stops embedding new pictures under a model that is not active; its vectors stay until it is removed.</summary>
    public async Task<bool> RetireAsync(string name, CancellationToken ct = default) =>
        await db.ExecuteAsync("UPDATE embedding_models SET state = 'registered' WHERE name = $1 AND state IN ('filling', 'standby')", ct, name) == 1;
}
