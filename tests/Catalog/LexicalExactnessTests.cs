using System.Collections.Concurrent;
using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

/// <summary>Scores against the formula, through everything that moves the statistics.</summary>
public sealed class LexicalExactnessTests : IAsyncLifetime
{
    private static readonly LexicalOptions Options = new() { Language = "simple" };
    private LexicalFixture fixture = null!;

    public async Task InitializeAsync() => fixture = await LexicalFixture.CreateAsync();

    public async Task DisposeAsync() => await fixture.DisposeAsync();

    [Fact]
    public async Task Scores_equal_the_formula_through_inserts_updates_and_deletes_by_several_writers()
    {
        var index = new LexicalIndex(fixture.Db, Options);
        var images = await fixture.ImagesAsync(2400);
        ConcurrentDictionary<long, LexicalDocument> documents = [];
        using var stop = new CancellationTokenSource();
        List<Exception> failures = [];
        var mergers = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await index.MergeAsync();
                await Task.Delay(50);
            }
        })).ToArray();
        var searcher = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var hits = await index.SearchAsync(LexicalQuery.Parse("w1 w3 w20"), 10);
                Assert.True(hits.Zip(hits.Skip(1)).All(p => p.First.Score >= p.Second.Score));
                Assert.Equal(hits.Count, hits.DistinctBy(h => h.ImageId).Count());
            }
        });

        var writers = Enumerable.Range(0, 4).Select(w => Task.Run(async () =>
        {
            var random = new Random(w);
            long[] own = [.. images.Where((_, i) => i % 4 == w)];
            foreach (var image in own)
            {
                await fixture.SetAsync(index, image, documents[image] = Corpus.Document(random));
            }

            // Updates, removals, images that go, and images that come back.
            for (var i = 0; i < 250; i++)
            {
                var image = own[random.Next(own.Length / 2)];
                if (random.Next(3) > 0)
                {
                    await fixture.SetAsync(index, image, documents[image] = Corpus.Document(random));
                }
                else
                {
                    await fixture.RemoveAsync(index, image);
                    documents.TryRemove(image, out _);
                }
            }

            foreach (var image in own[^20..])
            {
                await fixture.DeleteImageAsync(image);
                documents.TryRemove(image, out _);
            }
        })).ToArray();
        await Task.WhenAll(writers);
        await AssertExactAsync(index, documents, 1);

        stop.Cancel();
        await Task.WhenAll([.. mergers, searcher]);
        while (await index.MergeAsync() > 0)
        {
        }

        Assert.Equal(0, (await index.StatisticsAsync()).Pending);
        await AssertExactAsync(index, documents, 2);
        await AssertExactAsync(new LexicalIndex(fixture.Db, Options) { LoadAtOnce = 0 }, documents, 3);

        await index.RebuildAsync();
        await AssertExactAsync(index, documents, 4);
        Assert.Equal(documents.Count, (await index.StatisticsAsync()).Documents);
    }

    [Fact]
    public async Task A_document_changed_many_times_between_merges_counts_once()
    {
        var index = new LexicalIndex(fixture.Db, Options);
        var random = new Random(5);
        Dictionary<long, LexicalDocument> documents = [];
        var images = await fixture.ImagesAsync(6);
        for (var step = 0; step < 200; step++)
        {
            var image = images[random.Next(images.Length)];
            switch (random.Next(4))
            {
                case 0:
                    await fixture.RemoveAsync(index, image);
                    documents.Remove(image);
                    break;
                case 1:
                    await index.MergeAsync();
                    break;
                default:
                    await fixture.SetAsync(index, image, documents[image] = Corpus.Document(random));
                    break;
            }

            if (step % 10 == 9 && documents.Count > 0)
            {
                await AssertExactAsync(index, documents, step);
            }
        }
    }

    [Fact]
    public async Task Writers_of_one_image_leave_the_text_of_one_of_them()
    {
        var index = new LexicalIndex(fixture.Db, Options);
        var images = await fixture.ImagesAsync(2);
        await fixture.SetAsync(index, images[1], Corpus.Document(new Random(1)));
        var texts = Enumerable.Range(0, 8).Select(i => Corpus.Document(new Random(100 + i))).ToArray();
        await Task.WhenAll(texts.Select(t => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                await fixture.SetAsync(index, images[0], t);
                await index.MergeAsync();
            }
        })));

        Assert.Equal(2, (await index.StatisticsAsync()).Documents);
        var words = Corpus.Vocabulary[..40];
        var found = (await index.SearchAsync(new([.. words.Select(w => new LexicalClause(LexicalOccurrence.Should, LexicalClauseKind.Word, w))]), 10)).Single(h => h.ImageId == images[0]);
        Assert.Contains(texts, t =>
        {
            var reference = new Bm25Reference(new Dictionary<long, LexicalDocument> { [images[0]] = t, [images[1]] = Corpus.Document(new Random(1)) }, Options);
            return Math.Abs(reference.Scores(words)[images[0]] - found.Score) < 1e-5;
        });
    }

    [Fact]
    public async Task Other_weights_need_a_rebuild_and_then_score_by_it()
    {
        var index = new LexicalIndex(fixture.Db, Options);
        var images = await fixture.ImagesAsync(400);
        var random = new Random(9);
        var documents = images.ToDictionary(i => i, _ => Corpus.Document(random));
        foreach (var (image, document) in documents)
        {
            await fixture.SetAsync(index, image, document);
        }

        var options = Options with { TagsWeight = 3.25m, CaptionWeight = 0.75m, CropCaptionsWeight = 0.1m, K1 = 0.9, B = 0.4 };
        var other = new LexicalIndex(fixture.Db, options);
        await Assert.ThrowsAsync<InvalidOperationException>(() => other.SearchAsync(LexicalQuery.Parse("w1"), 10));
        await Assert.ThrowsAsync<InvalidOperationException>(() => fixture.SetAsync(other, images[0], documents[images[0]]));
        await other.RebuildAsync();
        await Corpus.AssertExactAsync(other, documents, options, 11);

        await other.ClearAsync();
        Assert.Equal(0, (await index.StatisticsAsync()).Documents);
        Assert.Empty(await new LexicalIndex(fixture.Db, Options).SearchAsync(LexicalQuery.Parse("w1"), 10));
    }

    private static Task AssertExactAsync(LexicalIndex index, IReadOnlyDictionary<long, LexicalDocument> documents, int seed) =>
        Corpus.AssertExactAsync(index, documents, Options, seed);
}
