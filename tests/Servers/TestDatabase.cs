using Npgsql;

namespace ImageSearch.Tests.Servers;

/// <summary>One database of the test server, alone in use by one test class.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly string _server;
    private readonly string _name;

    private TestDatabase(string server, string name)
    {
        _server = server;
        _name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
    }

    /// <summary>Npgsql connection string of the fresh database.</summary>
    public string ConnectionString { get; }

    internal static async Task<TestDatabase> CreateAsync(string server, string? tablespace = null)
    {
        var database = new TestDatabase(server, TestServers.FreshName());
        await database.OnServerAsync($"CREATE DATABASE {database._name}{(tablespace is null ? "" : " TABLESPACE " + tablespace)}");
        return database;
    }

    public async ValueTask DisposeAsync()
    {
        await using (var connection = new NpgsqlConnection(ConnectionString))
        {
            NpgsqlConnection.ClearPool(connection);
        }

        // FORCE: a service that a failed test left connected must not keep the database.
        await OnServerAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
    }

    private async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
