using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

public sealed class LexicalBlockTests
{
    [Fact]
    public void Postings_and_directories_come_back_as_they_were()
    {
        var random = new Random(1);
        for (var n = 0; n < 300; n++)
        {
            var id = 0L;
            Posting[] postings = [.. Enumerable.Range(0, n).Select(_ => new Posting(id += 1 + random.NextInt64(1L << random.Next(50)), random.Next(1, 1 << random.Next(1, 20)), random.Next(1 << random.Next(1, 20)), random.Next(2) == 0))];
            Assert.Equal(postings, PostingBlock.Decode(PostingBlock.Encode(postings)));

            var blocks = postings.Chunk(7).Select((c, i) => BlockEntry.Of(i, c)).ToList();
            var back = TermDirectory.Decode(TermDirectory.Encode(blocks));
            Assert.Equal(blocks.Select(b => (b.Number, b.First, b.Last, b.Count)), back.Select(b => (b.Number, b.First, b.Last, b.Count)));
            Assert.Equal(blocks.SelectMany(b => b.Frontier), back.SelectMany(b => b.Frontier));
        }
    }

    [Fact]
    public void No_posting_scores_above_its_blocks_frontier()
    {
        var random = new Random(2);
        for (var n = 0; n < 500; n++)
        {
            Posting[] postings = [.. Enumerable.Range(1, 60).Select(i => new Posting(i, random.Next(1, 12), random.Next(1, 200), false))];
            var frontier = BlockEntry.FrontierOf(postings);
            Assert.InRange(frontier.Length, 1, 4);
            foreach (var length in new[] { 600L, 6_000L, 60_000L })
            {
                var bm25 = new Bm25(60, length, 0.5, random.NextDouble() * 3, random.NextDouble());
                Assert.True(frontier.Max(f => bm25.Score(2, f.Frequency, f.Length)) >= postings.Max(p => bm25.Score(2, p.Frequency, p.Length)) - 1e-12);
            }
        }
    }

    [Fact]
    public void Damaged_bytes_give_one_typed_error_or_other_postings_never_a_crash()
    {
        var random = new Random(3);
        var bytes = PostingBlock.Encode([.. Enumerable.Range(1, 100).Select(i => new Posting(i * 3, 2, 60, false))]);
        for (var n = 0; n < 5_000; n++)
        {
            var damaged = bytes[..random.Next(1, bytes.Length + 1)];
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            foreach (var decode in new Action[] { () => PostingBlock.Decode(damaged), () => TermDirectory.Decode(damaged) })
            {
                Assert.True(Record.Exception(decode) is null or InvalidDataException);
            }
        }
    }
}
