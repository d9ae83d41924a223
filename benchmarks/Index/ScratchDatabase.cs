using System.Buffers.Binary;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Benchmarks.Index;

/// <summary>A database of its own beside the system's, filled with vectors; dropped when disposed.</summary>
public sealed class ScratchDatabase : IAsyncDisposable
{
    // Widths run from 1 to this, so that a filter by width passes any wanted percentage.
    public const int Widths = 100;

    private readonly string server;
    private readonly string name;

    private ScratchDatabase(string server, string name, NpgsqlDataSource db) => (this.server, this.name, Db) = (server, name, db);

    public NpgsqlDataSource Db { get; }

    /// <param name="server">Connection string of a login that may create databases and extensions.</param>
    public static async Task<ScratchDatabase> CreateAsync(string server, CancellationToken ct)
    {
        var name = "index_benchmark_" + Guid.NewGuid().ToString("N")[..8];
        await using (var control = NpgsqlDataSource.Create(server))
        {
            await ExecuteAsync(control, $"CREATE DATABASE {name}", ct);
        }

        var connection = new NpgsqlConnectionStringBuilder(server) { Database = name, CommandTimeout = 0, MaxPoolSize = 4 };
        var scratch = new ScratchDatabase(server, name, NpgsqlDataSource.Create(connection.ConnectionString));
        await Migrator.MigrateAsync(scratch.Db, ct);
        return scratch;
    }

    /// <summary>Registers the model and stores vectors under it, without an index.</summary>
    public async Task<RegisteredModel> FillAsync(ClusteredVectors vectors, int count, int dimensions, CancellationToken ct)
    {
        await ExecuteAsync(Db, $"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 1 + i % {Widths}, 1, 1 FROM generate_series(1, {count}) AS i", ct);
        var model = await new EmbeddingCatalog(Db).RegisterModelAsync("benchmark/1", dimensions, null, ct);
        await ExecuteAsync(Db, "DROP INDEX " + VectorIndex.NameOf(model.Id, VectorIndexKind.Half), ct);
        await using (var connection = await Db.OpenConnectionAsync(ct))
        await using (var copy = await connection.BeginBinaryImportAsync("COPY embeddings (model_id, image_id, vector) FROM STDIN (FORMAT BINARY)", ct))
        {
            var random = new Random(2);
            for (var id = 1L; id <= count; id++)
            {
                await copy.StartRowAsync(ct);
                await copy.WriteAsync(model.Id, ct);
                await copy.WriteAsync(id, ct);
                await copy.WriteAsync(Halfvec(vectors.Draw(random)), NpgsqlDbType.Bytea, ct);
            }

            await copy.CompleteAsync(ct);
        }

        await ExecuteAsync(Db, "VACUUM (ANALYZE) embeddings", ct);
        await ExecuteAsync(Db, "ANALYZE images", ct);
        return model;
    }

    /// <summary>As pgvector sends it: the number of dimensions, two bytes that are not used, then the halves, all in network order.</summary>
    private static byte[] Halfvec(float[] vector)
    {
        var bytes = new byte[4 + (2 * vector.Length)];
        BinaryPrimitives.WriteInt16BigEndian(bytes, (short)vector.Length);
        for (var i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteHalfBigEndian(bytes.AsSpan(4 + (2 * i)), (Half)vector[i]);
        }

        return bytes;
    }

    public Task ExecuteAsync(string sql, CancellationToken ct) => ExecuteAsync(Db, sql, ct);

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken ct)
    {
        await using var command = Db.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    public async ValueTask DisposeAsync()
    {
        await Db.DisposeAsync();
        await using var control = NpgsqlDataSource.Create(server);
        await ExecuteAsync(control, $"DROP DATABASE {name} WITH (FORCE)", CancellationToken.None);
    }

    private static async Task ExecuteAsync(NpgsqlDataSource db, string sql, CancellationToken ct)
    {
        await using var command = db.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(ct);
    }
}
