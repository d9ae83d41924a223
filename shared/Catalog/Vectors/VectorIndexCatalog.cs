using System.Globalization;
using ImageSearch.Catalog.Operations;
using Npgsql;

namespace ImageSearch.Catalog.Vectors;

/// <summary>Which index a model's vectors have, and building another one while searches and writes go on.</summary>
public sealed class VectorIndexCatalog(NpgsqlDataSource db)
{
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(300);

    /// <summary>Indexes of the model that are whole, the chosen kind first; empty while none is.</summary>
    public async Task<IReadOnlyList<VectorIndex>> ReadyAsync(RegisteredModel model, CancellationToken ct = default)
    {
        var rows = await db.ReadAsync("""
            SELECT k.kind, m.code_centre FROM embedding_models m
            CROSS JOIN (VALUES ('half', $2), ('binary', $3)) AS k(kind, name)
            JOIN pg_index x ON x.indexrelid = to_regclass(k.name)
            WHERE m.id = $1 AND x.indisvalid AND (k.kind = 'half' OR m.code_centre IS NOT NULL)
            ORDER BY k.kind <> m.index_kind
            """,
            r => (Kind: r.GetString(0), Centre: r.IsDBNull(1) ? null : r.GetFieldValue<float[]>(1)),
            ct, model.Id, VectorIndex.NameOf(model.Id, VectorIndexKind.Half), VectorIndex.NameOf(model.Id, VectorIndexKind.Binary));
        return [.. rows.Select(r => r.Kind == "half"
            ? new VectorIndex(model.Id, model.Dimensions, VectorIndexKind.Half)
            : new VectorIndex(model.Id, model.Dimensions, VectorIndexKind.Binary, r.Centre))];
    }

    /// <summary>The kind that was chosen for the model, whole or not.</summary>
    public async Task<VectorIndexKind> KindAsync(short model, CancellationToken ct = default) =>
        await db.ScalarAsync<string>("SELECT index_kind FROM embedding_models WHERE id = $1", ct, model) == "binary" ? VectorIndexKind.Binary : VectorIndexKind.Half;

    public Task<long> BytesAsync(VectorIndex index, CancellationToken ct = default) =>
        db.ScalarAsync<long>("SELECT coalesce(pg_relation_size(to_regclass($1)), 0)", ct, index.Name);

    /// <summary>
    /// Gives the model's vectors an index of the kind, built concurrently, and then drops the other one: until the new one is whole the old one answers.
    /// What an interrupted build left behind is removed first. Doing it twice changes nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">Binary is asked for, but the model has no mean and no vectors to take it from.</exception>
    public async Task<VectorIndex> BuildAsync(RegisteredModel model, VectorIndexKind kind, VectorIndexBuild? options = null, CancellationToken ct = default)
    {
        var build = options ?? VectorIndexBuild.Default;
        await using var alone = await TakeAsync(model, ct);
        var ready = await ReadyAsync(model, ct);
        var index = ready.FirstOrDefault(i => i.Kind == kind);
        if (index is null || build.Rebuild)
        {
            index = new(model.Id, model.Dimensions, kind, kind == VectorIndexKind.Binary ? await CentreAsync(model, ct) : null);
            await using var connection = await db.OpenConnectionAsync(ct);
            await DropAsync(connection, index.Name, ct);
            if (kind == VectorIndexKind.Binary)
            {
                await connection.ExecuteAsync("UPDATE embedding_models SET code_centre = $2 WHERE id = $1", ct, model.Id, index.Centre);
            }

            await CreateAsync(connection, index, build, ct);
        }

        await db.ExecuteAsync("UPDATE embedding_models SET index_kind = $2 WHERE id = $1", ct, model.Id, kind == VectorIndexKind.Half ? "half" : "binary");
        if (!build.KeepOther)
        {
            await using var connection = await db.OpenConnectionAsync(ct);
            await DropAsync(connection, VectorIndex.NameOf(model.Id, kind == VectorIndexKind.Half ? VectorIndexKind.Binary : VectorIndexKind.Half), ct);
        }

        return index;
    }

    private async Task<SessionLock> TakeAsync(RegisteredModel model, CancellationToken ct)
    {
        // Asking again instead of waiting in the server: a concurrent build waits for every transaction, also for one that waits for it.
        while (true)
        {
            if (await SessionLock.TryTakeAsync(db, string.Create(CultureInfo.InvariantCulture, $"vector index {model.Id}"), ct) is { } taken)
            {
                return taken;
            }

            await Task.Delay(Wait, ct);
        }
    }

    /// <summary>The manifest's mean; without one that of the stored vectors.</summary>
    private async Task<float[]> CentreAsync(RegisteredModel model, CancellationToken ct) =>
        model.Mean
        ?? await db.ScalarAsync<float[]>("SELECT avg(vector)::vector::real[] FROM (SELECT vector FROM embeddings WHERE model_id = $1 LIMIT 20000) AS sample", ct, model.Id)
        ?? throw new InvalidOperationException($"Model {model.Name} has no mean vector in its manifest and no stored vectors to take it from; embed pictures first.");

    private async Task CreateAsync(NpgsqlConnection connection, VectorIndex index, VectorIndexBuild build, CancellationToken ct)
    {
        var vectors = await db.ScalarAsync<long>("SELECT count(*) FROM embeddings WHERE model_id = $1", ct, index.Model);
        var memory = Math.Clamp(index.BuildMegabytes(vectors, build), 64, Math.Max(64, build.Megabytes));
        await connection.ExecuteAsync("SELECT set_config('maintenance_work_mem', $1, false)", ct, string.Create(CultureInfo.InvariantCulture, $"{memory}MB"));
        try
        {
            await using var create = connection.Command(index.Create(build));
            create.CommandTimeout = 0;
            await create.ExecuteNonQueryAsync(ct);
        }
        finally
        {
            await connection.ExecuteAsync("RESET maintenance_work_mem", CancellationToken.None);
        }
    }

    private static async Task DropAsync(NpgsqlConnection connection, string name, CancellationToken ct)
    {
        await using var drop = connection.Command($"DROP INDEX CONCURRENTLY IF EXISTS {name}");
        drop.CommandTimeout = 0;
        await drop.ExecuteNonQueryAsync(ct);
    }
}
