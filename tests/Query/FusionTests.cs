using ImageSearch.Query.Search;

namespace ImageSearch.Query.Tests;

public sealed class FusionTests
{
    private static DenseHit Dense(long image, int? rank, double probability) => new(image, rank, probability, probability * 5, probability);

    private static LexicalLegHit Words(long image, int rank, double probability, bool written = true) => new(image, rank, 10.0 / rank, probability, probability, written);

    [Fact]
    public void Convex_combination_weighs_both_probabilities()
    {
        var fused = Fusion.Fuse([Dense(1, 1, 0.9), Dense(2, 2, 0.4)], [Words(2, 1, 0.8)], FusionMethod.Convex, 0.4, 60);
        Assert.Equal([2, 1], fused.Select(h => h.Image));
        Assert.Equal((0.4 * 0.4) + (0.6 * 0.8), fused[0].Score, 9);
        Assert.Equal(0.4 * 0.9, fused[1].Score, 9);
    }

    [Fact]
    public void A_full_match_of_written_words_is_not_outranked_by_resemblance_alone()
    {
        var options = new SearchOptions();
        var words = options.WrittenWords * LexicalLeg.Coverage(1);
        var fused = Fusion.Fuse([Dense(1, 1, 1), Dense(2, null, 0)], [Words(2, 1, words)], FusionMethod.Convex, options.DenseWeight, options.RrfK);
        Assert.Equal(2, fused[0].Image);
    }

    [Fact]
    public void Guessed_words_alone_do_not_outrank_resemblance()
    {
        var options = new SearchOptions();
        var words = options.GuessedWords * LexicalLeg.Coverage(1);
        var fused = Fusion.Fuse([Dense(1, 1, 1), Dense(2, null, 0)], [Words(2, 1, words, written: false)], FusionMethod.Convex, options.DenseWeight, options.RrfK);
        Assert.Equal(1, fused[0].Image);
    }

    [Fact]
    public void Reciprocal_rank_fusion_adds_reciprocal_ranks()
    {
        var fused = Fusion.Fuse([Dense(1, 1, 0.9), Dense(2, 2, 0.8)], [Words(2, 1, 0.1), Words(3, 2, 0.1)], FusionMethod.Rrf, 0.5, 60);
        Assert.Equal([2, 1, 3], fused.Select(h => h.Image));
        Assert.Equal((1.0 / 62) + (1.0 / 61), fused[0].Score, 12);
    }

    [Theory]
    [InlineData(FusionMethod.Convex)]
    [InlineData(FusionMethod.Rrf)]
    public void Relevance_never_rises_along_the_list(FusionMethod method)
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var dense = Enumerable.Range(1, 30).Select(i => Dense(random.Next(50), i, random.NextDouble())).DistinctBy(h => h.Image).ToList();
            var words = Enumerable.Range(1, 30).Select(i => Words(random.Next(50), i, random.NextDouble())).DistinctBy(h => h.Image).ToList();
            var fused = Fusion.Fuse(dense, words, method, random.NextDouble(), 60);
            Assert.Equal(dense.Select(h => h.Image).Union(words.Select(h => h.Image)).Order(), fused.Select(h => h.Image).Order());
            Assert.All(fused.Zip(fused.Skip(1)), p => Assert.True(p.First.Relevance >= p.Second.Relevance && p.First.Score >= p.Second.Score));
            Assert.All(fused, h => Assert.InRange(h.Relevance, 0, 1));
        }
    }

    [Fact]
    public void A_list_alone_keeps_its_order()
    {
        Assert.Equal([5, 6, 7], Fusion.Fuse([Dense(5, 1, 0.9), Dense(6, 2, 0.5), Dense(7, 3, 0.1)], [], FusionMethod.Convex, 0.01, 60).Select(h => h.Image));
        Assert.Equal([5, 6], Fusion.Fuse([], [Words(5, 1, 0.9), Words(6, 2, 0.5)], FusionMethod.Convex, 0.99, 60).Select(h => h.Image));
    }

    [Fact]
    public void A_deeper_list_follows_without_repeating()
    {
        var first = Fusion.Fuse([Dense(1, 1, 0.9), Dense(2, 2, 0.3)], [], FusionMethod.Convex, 1, 60);
        var deeper = Fusion.Fuse([Dense(1, 1, 0.9), Dense(3, 2, 0.8), Dense(2, 3, 0.3)], [], FusionMethod.Convex, 1, 60);
        var all = Fusion.Extend(first, deeper);
        Assert.Equal([1, 2, 3], all.Select(h => h.Image));
        Assert.Equal(0.3, all[2].Relevance, 9);
    }

    [Fact]
    public void Near_duplicates_stand_behind_the_best_of_them()
    {
        var hits = Fusion.Fuse([Dense(1, 1, 0.9), Dense(2, 2, 0.8), Dense(3, 3, 0.7)], [], FusionMethod.Convex, 1, 60);
        var vectors = new Dictionary<long, float[]> { [1] = [1, 0], [2] = [0, 1], [3] = [0.9999f, 0.0141f] };
        var grouped = NearDuplicates.Group(hits, vectors, 0.97);
        Assert.Equal([1, 2], grouped.Select(h => h.Image));
        Assert.Equal([3], grouped[0].Duplicates);
    }
}
