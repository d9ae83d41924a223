using System.Reflection;
using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>
/// Brings the database to the schema of this build: the embedded files <c>Migrations/NNN_name.sql</c>, each once, in order, each in one
/// transaction, under an advisory lock so that several services may start at once.
/// </summary>
public static class Migrator
{
    private const long LockKey = 0x696d_6167_6573_6561;

    /// <param name="upTo">Only these migrations; all that this build knows without it.</param>
    /// <returns>Names of the migrations that were applied now.</returns>
    /// <exception cref="InvalidOperationException">The database was made by a newer build.</exception>
    public static async Task<IReadOnlyList<string>> MigrateAsync(NpgsqlDataSource db, CancellationToken ct = default, IReadOnlyCollection<string>? upTo = null)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await Execute(connection, $"SELECT pg_advisory_lock({LockKey})", ct);
        try
        {
            await Execute(connection, "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())", ct);
            var applied = await AppliedAsync(connection, ct);
            var known = Names();
            if (applied.Except(known).FirstOrDefault() is { } unknown)
            {
                throw new InvalidOperationException($"The database holds migration {unknown}, which this build does not know. Start a build that is at least as new as the one that made it.");
            }

            if (upTo?.Except(known).FirstOrDefault() is { } newer)
            {
                throw new InvalidOperationException($"The backup holds migration {newer}, which this build does not know. Use a build that is at least as new as the one that wrote it.");
            }

            List<string> done = [];
            foreach (var name in known.Where(n => !applied.Contains(n) && upTo?.Contains(n) != false))
            {
                await using var transaction = await connection.BeginTransactionAsync(ct);
                await Execute(connection, Read(name), ct);
                await using var mark = new NpgsqlCommand("INSERT INTO schema_migrations (name) VALUES ($1)", connection) { Parameters = { new() { Value = name } } };
                await mark.ExecuteNonQueryAsync(ct);
                await transaction.CommitAsync(ct);
                done.Add(name);
            }

            // The types of the vector extension may have just come into being.
            await connection.ReloadTypesAsync(ct);
            return done;
        }
        finally
        {
            await Execute(connection, $"SELECT pg_advisory_unlock({LockKey})", CancellationToken.None);
        }
    }

    /// <summary>Names of the migrations that the database still lacks; empty when it fits this build.</summary>
    public static async Task<IReadOnlyList<string>> PendingAsync(NpgsqlDataSource db, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var exists = new NpgsqlCommand("SELECT to_regclass('schema_migrations') IS NOT NULL", connection);
        return (bool)(await exists.ExecuteScalarAsync(ct))! ? [.. Names().Except(await AppliedAsync(connection, ct))] : Names();
    }

    /// <summary>Names of the migrations that a newer build applied and this one does not know; empty when the database fits this build or is older.</summary>
    public static async Task<IReadOnlyList<string>> UnknownAsync(NpgsqlDataSource db, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var exists = new NpgsqlCommand("SELECT to_regclass('schema_migrations') IS NOT NULL", connection);
        return (bool)(await exists.ExecuteScalarAsync(ct))! ? [.. (await AppliedAsync(connection, ct)).Except(Names()).Order(StringComparer.Ordinal)] : [];
    }

    private static List<string> Names() => [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
        .Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static string Read(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    private static async Task<HashSet<string>> AppliedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        HashSet<string> names = [];
        await using var command = new NpgsqlCommand("SELECT name FROM schema_migrations", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }
}
