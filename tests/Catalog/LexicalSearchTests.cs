using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

/// <summary>Filters, explanations, hostile input, and what commits and merges leave visible.</summary>
public sealed class LexicalSearchTests : IAsyncLifetime
{
    private static readonly LexicalDocument[] Documents = LexicalPictures.Documents;
    private LexicalFixture fixture = null!;
    private LexicalIndex index = null!;
    private long[] images = [];

    public async Task InitializeAsync()
    {
        fixture = await LexicalFixture.CreateAsync();
        index = new LexicalIndex(fixture.Db, new());
        images = await fixture.ImagesAsync(Documents.Length);
        for (var i = 0; i < images.Length; i++)
        {
            await fixture.SetAsync(index, images[i], Documents[i]);
        }
    }

    public async Task DisposeAsync() => await fixture.DisposeAsync();

    [Fact]
    public async Task Hostile_input_is_only_text()
    {
        string[] hostile =
        [
            "'; DROP TABLE images; --", "\0", "dog\0cat", "\uD800", "a & b | !c <-> d:*", "((((", "\\", "%", "_", "$1", "{0}", "'", "''''", "dog:A", "*", "tag:*", "\"'\"", "\"\\\"",
            new('x', 100_000), string.Concat(Enumerable.Repeat("+a* ", 5000)), "\u202Edog", "{'}", "+\"' OR 1=1 --\"", "tag:'*", "é\u0301*", "\U0010FFFF*", "-\"'\" dog",
        ];
        foreach (var text in hostile)
        {
            await index.SearchAsync(LexicalQuery.Parse(text), 10);
            await index.SearchAsync(new([.. Enum.GetValues<LexicalClauseKind>().SelectMany(k => Enum.GetValues<LexicalOccurrence>().Select(o => new LexicalClause(o, k, text, true)))]), 10);
            await index.ExplainAsync(LexicalQuery.Parse(text), images[0]);
            await fixture.SetAsync(index, images[5], new([text, text], text, [text], text));
            await index.MergeAsync();
        }

        Assert.Equal(Documents.Length, (await index.StatisticsAsync()).Documents);
        Assert.Equal(2, (await index.SearchAsync(LexicalQuery.Parse("grass sofa"), 10)).Count);
    }

    [Fact]
    public async Task A_filter_still_returns_k()
    {
        var more = await fixture.ImagesAsync(900);
        foreach (var image in more)
        {
            await fixture.SetAsync(index, image, new(["zebra"], image % 2 == 0 ? "zebra in the grass" : "grass before a zebra", [], ""));
        }

        var wanted = more[^7..].ToHashSet();
        List<long> asked = [];
        var hits = await index.SearchAsync(LexicalQuery.Parse("zebra"), 5, new((ids, _) =>
        {
            asked.AddRange(ids);
            return Task.FromResult<IReadOnlySet<long>>(ids.Where(wanted.Contains).ToHashSet());
        }));
        Assert.Equal(5, hits.Count);
        Assert.All(hits, h => Assert.Contains(h.ImageId, wanted));
        Assert.Equal(asked.Count, asked.Distinct().Count());
        Assert.Empty(await index.SearchAsync(LexicalQuery.Parse("zebra"), 5, new((_, _) => Task.FromResult<IReadOnlySet<long>>(new HashSet<long>()))));

        var phrase = await index.SearchAsync(LexicalQuery.Parse("\"zebra in the grass\""), 500);
        Assert.Equal(more.Where(i => i % 2 == 0), phrase.Select(h => h.ImageId).Order());
    }

    [Fact]
    public async Task An_explanation_adds_up_to_the_score()
    {
        foreach (var text in new[] { "red dog grass", "tag:dog \"red ball\"", "car* street -cat", "the red" })
        {
            var query = LexicalQuery.Parse(text);
            foreach (var hit in await index.SearchAsync(query, 10))
            {
                var explanation = (await index.ExplainAsync(query, hit.ImageId))!;
                Assert.True(explanation.Matches);
                Assert.Equal(hit.Score, explanation.Score, 1e-9);
                Assert.Equal(hit.Score, explanation.Terms.Sum(t => t.Idf * t.Frequency * 2.2 / (t.Frequency + t.LengthNorm)), 1e-9);
                Assert.Equal(1, explanation.Terms.Sum(t => t.Share), 1e-9);
            }
        }

        var dog = Assert.Single((await index.ExplainAsync(LexicalQuery.Parse("dog"), images[0]))!.Terms);
        Assert.Equal(("dog", 2L, 1, 1, 1, 0), (dog.Lexeme, dog.Documents, dog.InTags, dog.InCaption, dog.InCropCaptions, dog.InName));
        Assert.Equal(3.5, dog.Frequency);
        Assert.False((await index.ExplainAsync(LexicalQuery.Parse("dog +cat"), images[0]))!.Matches);
        Assert.Null(await index.ExplainAsync(LexicalQuery.Parse("dog"), long.MaxValue));
    }

    [Fact]
    public async Task Text_and_index_commit_together_and_a_merge_passes_by_open_writers()
    {
        var image = (await fixture.ImagesAsync(1))[0];
        var before = await index.StatisticsAsync();
        await using (var connection = await fixture.Db.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await index.SetDocumentAsync(connection, transaction, image, new(["heron"], "a heron", [], ""));
            await index.SetDocumentAsync(connection, transaction, images[0], new(["heron"], "a dog and a heron", [], ""));
            Assert.Empty(await index.SearchAsync(LexicalQuery.Parse("heron"), 10));
            Assert.Equal(5, await index.MergeAsync());     // all but the one that is being written again
            Assert.Equal([images[0], images[1]], (await index.SearchAsync(LexicalQuery.Parse("dog"), 10)).Select(h => h.ImageId).Order());
            await transaction.CommitAsync();
        }

        Assert.Equal(2, (await index.SearchAsync(LexicalQuery.Parse("heron"), 10)).Count);
        Assert.Equal(before.Documents + 1, (await index.StatisticsAsync()).Documents);

        await using (var connection = await fixture.Db.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await index.RemoveAsync(connection, transaction, image);
            await transaction.RollbackAsync();
        }

        Assert.Equal(2, (await index.SearchAsync(LexicalQuery.Parse("heron"), 10)).Count);
        await fixture.DeleteImageAsync(image);
        Assert.Equal(images[0], Assert.Single(await index.SearchAsync(LexicalQuery.Parse("heron"), 10)).ImageId);
        Assert.Equal(before.Documents, (await index.StatisticsAsync()).Documents);
    }

    [Fact]
    public async Task The_same_document_again_changes_nothing()
    {
        Assert.Equal(Documents.Length, await index.MergeAsync());
        await fixture.SetAsync(index, images[0], Documents[0]);
        Assert.Equal(0, (await index.StatisticsAsync()).Pending);
        await fixture.SetAsync(index, images[0], Documents[1]);
        Assert.Equal(1, (await index.StatisticsAsync()).Pending);
    }

    [Fact]
    public async Task The_loop_merges_what_has_waited_long_enough()
    {
        using var stop = new CancellationTokenSource();
        var loop = new LexicalIndex(fixture.Db, new() { MergeAge = TimeSpan.Zero }).MergeLoopAsync(e => Assert.Fail(e.Message), stop.Token);
        while ((await index.StatisticsAsync()).Pending > 0)
        {
            await Task.Delay(20);
        }

        stop.Cancel();
        await loop;
        Assert.Equal(2, (await index.SearchAsync(LexicalQuery.Parse("dog"), 10)).Count);
    }
}
