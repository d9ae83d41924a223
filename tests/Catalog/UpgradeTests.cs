using System.Text.Json.Nodes;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Catalog.Tests;

/// <summary>
/// Databases of earlier releases (releases/VERSION.sql, written by pg_dump) become databases of this build without losing anything. Each release adds its
/// own dump, so that the way from every released version stays tried.
/// </summary>
public sealed class UpgradeTests : IAsyncLifetime
{
    private TestDatabase database = null!;
    private NpgsqlDataSource db = null!;

    public static TheoryData<string> Releases => [.. Directory.GetFiles(Folder, "*.sql").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal)];

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "releases");

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        db = NpgsqlDataSource.Create(database.ConnectionString);
    }

    public async Task DisposeAsync()
    {
        await db.DisposeAsync();
        await database.DisposeAsync();
    }

    [Theory, MemberData(nameof(Releases))]
    public async Task Every_row_of_a_released_version_is_there_after_the_upgrade(string release)
    {
        await LoadAsync(release);
        var before = await RowsAsync();
        Assert.True(before.Count >= 29, $"{before.Count} tables");
        Assert.All(before, t => Assert.True(t.Value.Count > 0, $"{t.Key} is empty, so nothing is tried of it"));

        await Migrator.MigrateAsync(db);

        Assert.Empty(await Migrator.PendingAsync(db));
        var after = await RowsAsync();
        foreach (var (table, rows) in before)
        {
            // Tables and columns that a later release took away are its own matter; what is still there holds what it held.
            if (after.TryGetValue(table, out var present))
            {
                Assert.All(rows, old => Assert.Contains(present, row => old.All(column => !row.ContainsKey(column.Key) || JsonNode.DeepEquals(row[column.Key], column.Value))));
            }
        }
    }

    [Theory, MemberData(nameof(Releases))]
    public async Task A_second_upgrade_changes_nothing(string release)
    {
        await LoadAsync(release);
        await Migrator.MigrateAsync(db);
        var (schema, rows) = (await SchemaAsync(db), await RowsAsync());
        Assert.Empty(await Migrator.MigrateAsync(db));
        Assert.Equal(schema, await SchemaAsync(db));
        Assert.Equal(rows.Select(Text), (await RowsAsync()).Select(Text));

        static string Text(KeyValuePair<string, List<JsonObject>> table) => $"{table.Key}: {string.Join(' ', table.Value.Select(r => r.ToJsonString()))}";
    }

    [Theory, MemberData(nameof(Releases))]
    public async Task An_upgraded_database_has_the_schema_of_a_new_one(string release)
    {
        // Fails too when a migration is changed that a release has already applied: such a change reaches new databases only. Write a new migration instead.
        await LoadAsync(release);
        await Migrator.MigrateAsync(db);
        await using var fresh = await TestServers.DatabaseAsync();
        await using var freshDb = NpgsqlDataSource.Create(fresh.ConnectionString);
        await Migrator.MigrateAsync(freshDb);
        Assert.Equal(await SchemaAsync(freshDb), (await SchemaAsync(db)).Where(line => !line.Contains("embeddings_hnsw_", StringComparison.Ordinal)));
    }

    [Theory, MemberData(nameof(Releases))]
    public async Task The_upgraded_database_is_worked_with_as_before(string release)
    {
        await LoadAsync(release);
        await Migrator.MigrateAsync(db);
        var known = await new ImageCatalog(db).FindObjectAsync("images", "copy of 1.jpg");
        Assert.True(known is { Complete: true });
        var index = new LexicalIndex(db, new());
        Assert.Equal(3, (await index.SearchAsync(LexicalQuery.Parse("dogs"), 10)).Count);
        await index.MergeAsync();
        Assert.Equal(3, (await index.SearchAsync(LexicalQuery.Parse("tag:dog"), 10)).Count);
        var (image, isNew, _) = await new ImageCatalog(db).RegisterAsync("images", "new.jpg", "e", new(Contracts.ImageId.Of("new"u8), "png", 1, 1, 1, null));
        Assert.True(isNew && image > 3);
    }

    [Fact]
    public async Task A_database_of_a_newer_build_is_refused_with_the_way_out_and_stays_as_it_is()
    {
        await Migrator.MigrateAsync(db);
        Assert.Empty(await Migrator.UnknownAsync(db));
        await ExecuteAsync("INSERT INTO schema_migrations (name) VALUES ('999_future.sql')");
        var schema = await SchemaAsync(db);

        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => Migrator.MigrateAsync(db));

        Assert.Contains("999_future", e.Message);
        Assert.Contains("at least as new", e.Message);
        Assert.Equal(schema, await SchemaAsync(db));
        Assert.Equal(["999_future.sql"], await Migrator.UnknownAsync(db));
    }

    private async Task LoadAsync(string release) => await ExecuteAsync(await File.ReadAllTextAsync(Path.Combine(Folder, release + ".sql")));

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await db.OpenConnectionAsync();
        await using (var command = new NpgsqlCommand(sql, connection))
        {
            await command.ExecuteNonQueryAsync();
        }

        await connection.ReloadTypesAsync();
    }

    /// <summary>Every row of every table as JSON.</summary>
    private async Task<SortedDictionary<string, List<JsonObject>>> RowsAsync()
    {
        SortedDictionary<string, List<JsonObject>> tables = new(StringComparer.Ordinal);
        foreach (var table in await ListAsync(db, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"))
        {
            tables[table] = [.. (await ListAsync(db, $"SELECT row_to_json(t)::text FROM \"{table}\" t ORDER BY 1")).Select(r => JsonNode.Parse(r)!.AsObject())];
        }

        return tables;
    }

    /// <summary>Columns, indexes, constraints, functions and triggers, one a line.</summary>
    private static async Task<List<string>> SchemaAsync(NpgsqlDataSource source) => await ListAsync(source, """
        SELECT line FROM (
            SELECT format('column %s.%s %s %s %s %s', table_name, column_name, udt_name, collation_name, is_nullable, column_default) FROM information_schema.columns WHERE table_schema = 'public'
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
            UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'lexical%'
            UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT tgisinternal
            UNION ALL SELECT format('table %s %s', relname, reloptions) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r') AS s (line)
        ORDER BY line COLLATE "C"
        """);

    private static async Task<List<string>> ListAsync(NpgsqlDataSource source, string sql)
    {
        List<string> values = [];
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            values.Add(reader.GetString(0));
        }

        return values;
    }
}
