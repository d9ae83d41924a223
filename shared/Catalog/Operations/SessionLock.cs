using Npgsql;

namespace ImageSearch.Catalog.Operations;

/// <summary>A PostgreSQL advisory lock on a connection of its own: the server frees it when the holder dies.</summary>
public sealed class SessionLock : IAsyncDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly string name;

    private SessionLock(NpgsqlConnection connection, string name)
    {
        this.connection = connection;
        this.name = name;
    }

    /// <returns>Null if someone else has the lock.</returns>
    public static async Task<SessionLock?> TryTakeAsync(NpgsqlDataSource db, string name, CancellationToken ct = default)
    {
        var connection = await db.OpenConnectionAsync(ct);
        try
        {
            if (await connection.ScalarAsync<bool>("SELECT pg_try_advisory_lock(hashtextextended('imagesearch ' || $1, 0))", ct, name))
            {
                return new(connection, name);
            }
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        await connection.DisposeAsync();
        return null;
    }

    /// <summary>Fails if the connection, and with it the lock, is gone.</summary>
    public Task VerifyAsync(CancellationToken ct = default) => connection.ExecuteAsync("SELECT 1", ct);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await connection.ExecuteAsync("SELECT pg_advisory_unlock(hashtextextended('imagesearch ' || $1, 0))", CancellationToken.None, name);
        }
        catch (NpgsqlException)
        {
            // The connection is broken, so the lock is free already.
        }

        await connection.DisposeAsync();
    }
}
