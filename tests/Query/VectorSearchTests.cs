using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Query.Tests;

public sealed class VectorFixture : IAsyncLifetime
{
    public const int Count = 2500;
    public const int Dimensions = 24;

    private TestDatabase database = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    /// <summary>The same database, never sorting: so few vectors would be compared one by one otherwise.</summary>
    public NpgsqlDataSource OrderedByIndex() => NpgsqlDataSource.Create(database.ConnectionString + ";Options=-c enable_sort=off -c enable_seqscan=off");

    public RegisteredModel Model { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        Database = NpgsqlDataSource.Create(database.ConnectionString + ";Command Timeout=300");
        await Migrator.MigrateAsync(Database);
        var catalog = new EmbeddingCatalog(Database);
        Model = await catalog.RegisterModelAsync("random/1", Dimensions, null);
        await using (var fill = Database.CreateCommand($"""
            INSERT INTO images (sha256, format, width, height, bytes)
            SELECT sha256(convert_to(i::text, 'UTF8')), CASE WHEN i % 50 = 0 THEN 'png' ELSE 'jpeg' END, 100 + i % 7, 100, 1 FROM generate_series(1, {Count}) AS i
            """))
        {
            await fill.ExecuteNonQueryAsync();
        }

        var random = new Random(5);
        foreach (var images in Enumerable.Range(1, Count).Chunk(250))
        {
            await catalog.StoreAsync(Model, [.. images.Select(i => ((long)i, Draw(random)))]);
        }

        await using var analyze = Database.CreateCommand("ANALYZE");
        await analyze.ExecuteNonQueryAsync();
    }

    public async Task DisposeAsync()
    {
        await Database.DisposeAsync();
        await database.DisposeAsync();
    }

    public static float[] Draw(Random random)
    {
        var vector = new float[Dimensions];
        for (var i = 0; i < Dimensions; i++)
        {
            vector[i] = (float)(random.NextDouble() + random.NextDouble() - 1);
        }

        TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }
}

public sealed class VectorSearchTests(VectorFixture fixture) : IClassFixture<VectorFixture>
{
    private readonly VectorSearch search = new(fixture.Database);

    [Fact]
    public async Task The_exact_scan_gives_the_cosines_in_their_order()
    {
        var query = VectorFixture.Draw(new Random(1));
        var hits = await search.SearchAsync(fixture.Model, query, new(20, Scan: VectorScan.Exact), [query]);
        var stored = await search.VectorsAsync(fixture.Model, [.. Enumerable.Range(1, VectorFixture.Count).Select(i => (long)i)]);
        var expected = stored.Select(v => (Image: v.Key, Cosine: (double)TensorPrimitives.CosineSimilarity<float>(query, v.Value))).OrderByDescending(v => v.Cosine).Take(20).ToArray();
        Assert.Equal(expected.Select(e => e.Image), hits.Select(h => h.Image));
        Assert.All(hits.Zip(expected), p => Assert.Equal(p.Second.Cosine, p.First.Cosine, 2));
        Assert.All(hits, h => Assert.Equal(h.Cosine, h.OtherCosines.Single(), 6));
    }

    [Fact]
    public async Task Hnsw_finds_nearly_all_of_them()
    {
        var random = new Random(2);
        var recall = 0.0;
        for (var i = 0; i < 20; i++)
        {
            var query = VectorFixture.Draw(random);
            var exact = (await search.SearchAsync(fixture.Model, query, new(50, Scan: VectorScan.Exact))).Select(h => h.Image).ToHashSet();
            recall += (await search.SearchAsync(fixture.Model, query, new(50, EfSearch: 200, Scan: VectorScan.Hnsw))).Count(h => exact.Contains(h.Image)) / 1000.0;
        }

        Assert.InRange(recall, 0.95, 1.001);
    }

    [Fact]
    public async Task The_query_uses_the_index()
    {
        await using var connection = await fixture.Database.OpenConnectionAsync();
        await using var explain = new NpgsqlCommand($"""
            EXPLAIN SELECT image_id FROM embeddings e WHERE e.model_id = {fixture.Model.Id}
            ORDER BY (e.vector::halfvec({VectorFixture.Dimensions})) <=> $1::real[]::halfvec({VectorFixture.Dimensions}) LIMIT 10
            """, connection)
        {
            Parameters = { new() { Value = VectorFixture.Draw(new Random(3)) } },
        };
        Assert.Contains(VectorIndex.NameOf(fixture.Model.Id, VectorIndexKind.Half), await PlanAsync(explain));
    }

    [Fact]
    public async Task A_filter_that_few_pass_still_fills_the_list()
    {
        var query = VectorFixture.Draw(new Random(4));
        var filter = new ImageFilter(Formats: ["png"]);
        foreach (var scan in (VectorScan[])[VectorScan.Hnsw, VectorScan.Exact, VectorScan.Automatic])
        {
            var hits = await search.SearchAsync(fixture.Model, query, new(50, EfSearch: 10, Scan: scan, Filter: filter));
            Assert.Equal(50, hits.Count);
            Assert.All(hits, h => Assert.Equal(0, h.Image % 50));
            Assert.Equal(hits.OrderByDescending(h => h.Cosine).Select(h => h.Image), hits.Select(h => h.Image));
        }
    }

    [Fact]
    public async Task A_list_longer_than_the_index_first_gives_is_filled()
    {
        var hits = await search.SearchAsync(fixture.Model, VectorFixture.Draw(new Random(6)), new(50, EfSearch: 10, Scan: VectorScan.Hnsw));
        Assert.Equal(50, hits.Select(h => h.Image).Distinct().Count());
        Assert.Equal(hits.OrderByDescending(h => h.Cosine).Select(h => h.Image), hits.Select(h => h.Image));
    }

    [Fact]
    public async Task Pictures_deleted_around_the_query_do_not_shorten_the_list()
    {
        var catalog = new EmbeddingCatalog(fixture.Database);
        var model = await catalog.RegisterModelAsync("deleted/1", VectorFixture.Dimensions, null);
        var random = new Random(7);
        var query = VectorFixture.Draw(random);

        // The first 40 lie closer to the query than any other.
        await catalog.StoreAsync(model, [.. Enumerable.Range(1, 300).Select(i =>
        {
            var vector = VectorFixture.Draw(random);
            TensorPrimitives.MultiplyAdd(query, i <= 40 ? 8f : 0, vector, vector);
            return ((long)i, vector);
        })]);
        await using (var delete = fixture.Database.CreateCommand($"DELETE FROM embeddings WHERE model_id = {model.Id} AND image_id <= 40"))
        {
            Assert.Equal(40, await delete.ExecuteNonQueryAsync());
        }

        await using var ordered = fixture.OrderedByIndex();
        var hits = await new VectorSearch(ordered).SearchAsync(model, query, new(10, EfSearch: 20, Scan: VectorScan.Hnsw));
        Assert.Equal(10, hits.Count);
        Assert.All(hits, h => Assert.True(h.Image > 40));
    }

    [Fact]
    public async Task A_bound_on_arrival_leaves_later_pictures_out()
    {
        var hits = await search.SearchAsync(fixture.Model, VectorFixture.Draw(new Random(5)), new(100, Scan: VectorScan.Hnsw, Filter: new(MaxImage: 1000)));
        Assert.Equal(100, hits.Count);
        Assert.All(hits, h => Assert.True(h.Image <= 1000));
    }

    [Fact]
    public async Task A_sample_is_drawn_from_the_whole_collection()
    {
        var sample = await search.SampleAsync(fixture.Model, 200);
        Assert.Equal(200, sample.Count);
        Assert.All(sample, v => Assert.Equal(1, TensorPrimitives.Norm<float>(v), 2));
        Assert.Equal(VectorFixture.Count, (await search.SampleAsync(fixture.Model, 5000)).Count);
    }

    private static async Task<string> PlanAsync(NpgsqlCommand explain)
    {
        var plan = "";
        await using var reader = await explain.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            plan += reader.GetString(0) + "\n";
        }

        return plan;
    }
}
