using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using Npgsql;

namespace ImageSearch.Query.Tests;

/// <summary>Other vectors of the same pictures, so that the tests of the half-precision index keep theirs.</summary>
public sealed class BinaryFixture : IAsyncLifetime
{
    private readonly VectorFixture vectors = new();

    public NpgsqlDataSource Database => vectors.Database;

    public RegisteredModel Model => vectors.Model;

    public async Task InitializeAsync()
    {
        await vectors.InitializeAsync();
        await new VectorIndexCatalog(Database).BuildAsync(Model, VectorIndexKind.Binary, new(KeepOther: true));
    }

    public Task DisposeAsync() => vectors.DisposeAsync();
}

public sealed class VectorIndexTests(BinaryFixture fixture) : IClassFixture<BinaryFixture>
{
    private readonly VectorSearch search = new(fixture.Database);
    private readonly VectorIndexCatalog indexes = new(fixture.Database);

    [Fact]
    public async Task Binary_codes_ranked_again_find_nearly_all_neighbours_with_their_exact_cosines()
    {
        var random = new Random(2);
        var recall = 0.0;
        for (var i = 0; i < 20; i++)
        {
            var query = VectorFixture.Draw(random);
            var exact = (await search.SearchAsync(fixture.Model, query, new(20, Scan: VectorScan.Exact))).ToDictionary(h => h.Image, h => h.Cosine);
            var hits = await search.SearchAsync(fixture.Model, query, new(20, Scan: VectorScan.Binary, Candidates: 1000), [query]);
            Assert.Equal(20, hits.Count);
            Assert.Equal(hits.OrderByDescending(h => h.Cosine).Select(h => h.Image), hits.Select(h => h.Image));
            Assert.All(hits, h => Assert.Equal(h.Cosine, h.OtherCosines.Single(), 6));
            Assert.All(hits.Where(h => exact.ContainsKey(h.Image)), h => Assert.Equal(exact[h.Image], h.Cosine, 6));
            recall += hits.Count(h => exact.ContainsKey(h.Image)) / 400.0;
        }

        // 24 bits of vectors without structure are little to go by.
        Assert.InRange(recall, 0.9, 1.001);
    }

    [Fact]
    public async Task The_binary_query_goes_through_its_index_and_not_through_the_table()
    {
        await using var statistics = fixture.Database.CreateCommand($"SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{VectorIndex.NameOf(fixture.Model.Id, VectorIndexKind.Binary)}'");
        var before = await ScansAsync();
        await search.SearchAsync(fixture.Model, VectorFixture.Draw(new Random(3)), new(20, Scan: VectorScan.Binary));
        for (var i = 0; i < 200 && await ScansAsync() == before; i++)
        {
            await Task.Delay(50);
        }

        Assert.Equal(before + 1, await ScansAsync());

        // The counters of a session come in with a delay unless it says so.
        async Task<long> ScansAsync()
        {
            await using var flush = fixture.Database.CreateCommand("SELECT pg_stat_force_next_flush()");
            await flush.ExecuteNonQueryAsync();
            return (long)(await statistics.ExecuteScalarAsync())!;
        }
    }

    [Theory]
    [InlineData(1, VectorScan.Hnsw)]
    [InlineData(1, VectorScan.Binary)]
    [InlineData(10, VectorScan.Hnsw)]
    [InlineData(10, VectorScan.Binary)]
    [InlineData(50, VectorScan.Hnsw)]
    [InlineData(50, VectorScan.Binary)]
    public async Task However_many_pass_the_filter_as_many_as_asked_for_come_back(int percent, VectorScan scan)
    {
        var modulus = 100 / percent;
        var passing = VectorFixture.Count / modulus;
        await using (var format = fixture.Database.CreateCommand($"UPDATE images SET width = CASE WHEN id % {modulus} = 0 THEN 5000 + {percent} ELSE width END"))
        {
            await format.ExecuteNonQueryAsync();
        }

        var filter = new ImageFilter(MinWidth: 5000 + percent);
        var take = Math.Min(passing, 100);
        foreach (var scanned in (int[])[40_000, 50])
        {
            // Also where the scan gives up long before it has seen enough.
            var hits = await search.SearchAsync(fixture.Model, VectorFixture.Draw(new Random(4)), new(take, EfSearch: 10, Scan: scan, Filter: filter, MaxScanned: scanned, Candidates: take));
            Assert.Equal(take, hits.Count);
            Assert.Equal(take, hits.Select(h => h.Image).Distinct().Count());
            Assert.All(hits, h => Assert.Equal(0, h.Image % modulus));
        }

        await using var back = fixture.Database.CreateCommand("UPDATE images SET width = 100 WHERE width >= 5000");
        await back.ExecuteNonQueryAsync();
    }

    [Fact]
    public async Task Filters_by_date_and_tag_that_one_in_a_hundred_passes_fill_the_list()
    {
        await using (var mark = fixture.Database.CreateCommand("""
            UPDATE images SET taken_at = '2001-01-01' WHERE id % 100 = 7;
            INSERT INTO captions (image_id, region, x, y, w, h, captioner, prompt_version, tags, caption) SELECT id, 0, 0, 0, 1, 1, 'test', '1', ARRAY['rare'], '' FROM images WHERE id % 100 = 7
            """))
        {
            await mark.ExecuteNonQueryAsync();
        }

        ImageFilter[] filters = [new(TakenTo: new(2002, 1, 1, 0, 0, 0, TimeSpan.Zero)), new(Tags: ["rare"])];
        foreach (var (filter, scan) in filters.SelectMany(f => new[] { VectorScan.Hnsw, VectorScan.Binary, VectorScan.Automatic }.Select(s => (f, s))))
        {
            var hits = await search.SearchAsync(fixture.Model, VectorFixture.Draw(new Random(6)), new(20, EfSearch: 20, Scan: scan, Filter: filter));
            Assert.Equal(20, hits.Count);
            Assert.All(hits, h => Assert.Equal(7, h.Image % 100));
        }
    }

    [Fact]
    public async Task The_index_is_changed_and_changed_back_while_searches_go_on()
    {
        var model = await OfItsOwnAsync("changing/1", mean: null);
        Assert.Equal([VectorIndexKind.Half], await KindsAsync(model));

        using var stop = new CancellationTokenSource();
        var asking = Task.Run(async () =>
        {
            var random = new Random(8);
            var asked = 0;
            for (; !stop.IsCancellationRequested; asked++)
            {
                Assert.Equal(30, (await new VectorSearch(fixture.Database).SearchAsync(model, VectorFixture.Draw(random), new(30, ExactBelow: 0))).Count);
            }

            return asked;
        });
        foreach (var kind in (VectorIndexKind[])[VectorIndexKind.Binary, VectorIndexKind.Half])
        {
            await indexes.BuildAsync(model, kind);
            Assert.Equal([kind], await KindsAsync(model));
        }

        await stop.CancelAsync();
        Assert.True(await asking > 0);
    }

    [Fact]
    public async Task Registering_a_model_again_keeps_the_index_that_was_chosen_and_a_moved_mean_does_not_lose_it()
    {
        var mean = Enumerable.Repeat(0.01f, VectorFixture.Dimensions).ToArray();
        var model = await OfItsOwnAsync("kept/1", mean);
        await indexes.BuildAsync(model, VectorIndexKind.Binary);

        var again = await new EmbeddingCatalog(fixture.Database).RegisterModelAsync("kept/1", VectorFixture.Dimensions, new float[VectorFixture.Dimensions]);

        var index = Assert.Single(await indexes.ReadyAsync(again));
        Assert.Equal((VectorIndexKind.Binary, mean[0]), (index.Kind, index.Centre![0]));
        await indexes.BuildAsync(again, VectorIndexKind.Binary, new(Rebuild: true));
        Assert.Equal(0, Assert.Single(await indexes.ReadyAsync(again)).Centre![0]);
    }

    [Fact]
    public async Task What_an_interrupted_build_left_behind_is_not_used_and_is_built_again()
    {
        var model = await OfItsOwnAsync("interrupted/1", mean: null);
        var name = VectorIndex.NameOf(model.Id, VectorIndexKind.Half);
        await using (var broken = fixture.Database.CreateCommand($"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"))
        {
            await broken.ExecuteNonQueryAsync();
        }

        Assert.Empty(await indexes.ReadyAsync(model));
        Assert.Equal(10, (await new VectorSearch(fixture.Database).SearchAsync(model, VectorFixture.Draw(new Random(9)), new(10, ExactBelow: 0))).Count);
        await new EmbeddingCatalog(fixture.Database).RegisterModelAsync("interrupted/1", VectorFixture.Dimensions, null);
        Assert.Equal([VectorIndexKind.Half], await KindsAsync(model));
    }

    [Fact]
    public async Task Without_a_mean_and_without_vectors_there_is_nothing_to_centre_on()
    {
        var model = await new EmbeddingCatalog(fixture.Database).RegisterModelAsync("empty/1", VectorFixture.Dimensions, null);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => indexes.BuildAsync(model, VectorIndexKind.Binary));
        Assert.Contains("no mean", error.Message, StringComparison.Ordinal);
        Assert.Equal([VectorIndexKind.Half], await KindsAsync(model));
    }

    private async Task<RegisteredModel> OfItsOwnAsync(string name, float[]? mean)
    {
        var model = await new EmbeddingCatalog(fixture.Database).RegisterModelAsync(name, VectorFixture.Dimensions, mean);
        await using var copy = fixture.Database.CreateCommand($"INSERT INTO embeddings (model_id, image_id, vector) SELECT {model.Id}, image_id, vector FROM embeddings WHERE model_id = {fixture.Model.Id} AND image_id <= 500 ON CONFLICT DO NOTHING");
        await copy.ExecuteNonQueryAsync();
        return model;
    }

    private async Task<VectorIndexKind[]> KindsAsync(RegisteredModel model) => [.. (await indexes.ReadyAsync(model)).Select(i => i.Kind)];
}
