using ImageSearch.Catalog.Lexical;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Catalog.Tests;

/// <summary>A fresh catalogue in real PostgreSQL.</summary>
public sealed class LexicalFixture : IAsyncDisposable
{
    private readonly TestDatabase database;

    private LexicalFixture(TestDatabase database, NpgsqlDataSource db) => (this.database, Db) = (database, db);

    public NpgsqlDataSource Db { get; }

    public static async Task<LexicalFixture> CreateAsync()
    {
        var database = await TestServers.DatabaseAsync();
        var db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
        return new(database, db);
    }

    public async Task<long[]> ImagesAsync(int count)
    {
        await using var command = Db.CreateCommand("""
            INSERT INTO images (sha256, format, width, height, bytes)
            SELECT sha256(convert_to(random()::text || i, 'UTF8')), 'jpeg', 1, 1, 1 FROM generate_series(1, $1) AS i RETURNING id
            """);
        command.Parameters.Add(new() { Value = count });
        await using var reader = await command.ExecuteReaderAsync();
        List<long> ids = [];
        while (await reader.ReadAsync())
        {
            ids.Add(reader.GetInt64(0));
        }

        return [.. ids.Order()];
    }

    public async Task SetAsync(LexicalIndex index, long image, LexicalDocument document)
    {
        await using var connection = await Db.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await index.SetDocumentAsync(connection, transaction, image, document);
        await transaction.CommitAsync();
    }

    public async Task RemoveAsync(LexicalIndex index, long image)
    {
        await using var connection = await Db.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await index.RemoveAsync(connection, transaction, image);
        await transaction.CommitAsync();
    }

    public async Task DeleteImageAsync(long image)
    {
        await using var command = Db.CreateCommand("DELETE FROM images WHERE id = $1");
        command.Parameters.Add(new() { Value = image });
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await Db.DisposeAsync();
        await database.DisposeAsync();
    }
}
