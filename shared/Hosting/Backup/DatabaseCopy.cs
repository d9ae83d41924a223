using ImageSearch.Catalog;
using Npgsql;

namespace ImageSearch.Hosting.Backup;

/// <summary>
/// The whole database as one binary COPY file per table, read in one snapshot, so that a backup needs no server-side tools and a restore fits any server
/// with the same schema. Indexes are not copied; they are built again.
/// </summary>
public static class DatabaseCopy
{
    public const string MigrationsFile = "migrations.txt";

    /// <returns>Rows copied.</returns>
    public static async Task<long> ExportAsync(NpgsqlDataSource db, string folder, CancellationToken ct)
    {
        Directory.CreateDirectory(folder);
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        long rows = 0;
        foreach (var table in await TablesAsync(connection, ct))
        {
            await using var file = File.Create(Path.Combine(folder, table + ".copy"));
            await using var source = await connection.BeginRawBinaryCopyAsync($"COPY \"{table}\" ({await ColumnsAsync(connection, table, ct)}) TO STDOUT (FORMAT binary)", ct);
            await source.CopyToAsync(file, ct);
            await source.DisposeAsync();
            await using var count = new NpgsqlCommand($"SELECT count(*) FROM \"{table}\"", connection);
            rows += (long)(await count.ExecuteScalarAsync(ct))!;
        }

        await File.WriteAllLinesAsync(Path.Combine(folder, MigrationsFile), await MigrationsAsync(connection, ct), ct);
        return rows;
    }

    /// <summary>Fills an empty database of the same or an older schema version, all or nothing, and then brings it to this build's schema.</summary>
    /// <exception cref="InvalidOperationException">The database is not empty, or the backup is from a newer build.</exception>
    public static async Task ImportAsync(NpgsqlDataSource db, string folder, CancellationToken ct)
    {
        var wanted = await File.ReadAllLinesAsync(Path.Combine(folder, MigrationsFile), ct);
        await Migrator.MigrateAsync(db, ct, upTo: wanted);
        await using (var connection = await db.OpenConnectionAsync(ct))
        {
            if (await ScalarAsync<long>(connection, "SELECT count(*) FROM images", ct) > 0)
            {
                throw new InvalidOperationException("The database holds pictures. Restore into an empty one: name another database in the settings, or `./imagesearch down` and remove the data folder.");
            }

            await using var transaction = await connection.BeginTransactionAsync(ct);
            var tables = await TablesAsync(connection, ct);

            // Triggers keep derived tables right, and those are in the backup themselves.
            foreach (var table in tables)
            {
                await ExecuteAsync(connection, $"ALTER TABLE \"{table}\" DISABLE TRIGGER USER", ct);
            }

            await ExecuteAsync(connection, $"TRUNCATE {string.Join(", ", tables.Select(t => $"\"{t}\""))}", ct);
            foreach (var table in tables.Where(t => File.Exists(Path.Combine(folder, t + ".copy"))))
            {
                await using var file = File.OpenRead(Path.Combine(folder, table + ".copy"));
                await using var target = await connection.BeginRawBinaryCopyAsync($"COPY \"{table}\" ({await ColumnsAsync(connection, table, ct)}) FROM STDIN (FORMAT binary)", ct);
                await file.CopyToAsync(target, ct);
            }

            foreach (var table in tables)
            {
                await ExecuteAsync(connection, $"ALTER TABLE \"{table}\" ENABLE TRIGGER USER", ct);
            }

            await RestartIdentitiesAsync(connection, ct);
            await transaction.CommitAsync(ct);
        }

        await Migrator.MigrateAsync(db, ct);
        var embeddings = new EmbeddingCatalog(db);
        foreach (var model in await embeddings.ModelsAsync(ct))
        {
            await embeddings.RegisterModelAsync(model.Name, model.Dimensions, model.Mean, ct);
        }
    }

    /// <summary>Tables after those that they refer to.</summary>
    private static async Task<List<string>> TablesAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var tables = await ListAsync(connection, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'schema_migrations' ORDER BY 1", ct);
        var edges = await ListAsync(connection, "SELECT conrelid::regclass::text || ' ' || confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid", ct);
        List<string> sorted = [];
        while (tables.Count > 0)
        {
            var ready = tables.Where(t => !edges.Any(e => e.Split(' ') is [var from, var to] && from == t && tables.Contains(to))).ToList();
            if (ready.Count == 0)
            {
                throw new InvalidOperationException($"Tables refer to each other in a circle: {string.Join(", ", tables)}.");
            }

            sorted.AddRange(ready);
            tables.RemoveAll(ready.Contains);
        }

        return sorted;
    }

    private static async Task<string> ColumnsAsync(NpgsqlConnection connection, string table, CancellationToken ct) =>
        string.Join(", ", await ListAsync(connection, $"SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum", ct));

    private static async Task RestartIdentitiesAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var identities = await ListAsync(connection, """
            SELECT format('SELECT setval(%L, GREATEST((SELECT max(%I) FROM %I), 0) + 1, false)', pg_get_serial_sequence(quote_ident(c.relname), a.attname), a.attname, c.relname)
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT a.attisdropped AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL
            """, ct);
        foreach (var statement in identities)
        {
            await ExecuteAsync(connection, statement, ct);
        }
    }

    private static Task<List<string>> MigrationsAsync(NpgsqlConnection connection, CancellationToken ct) => ListAsync(connection, "SELECT name FROM schema_migrations ORDER BY name", ct);

    private static async Task<List<string>> ListAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        List<string> values = [];
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            values.Add(reader.GetString(0));
        }

        return values;
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }
}
