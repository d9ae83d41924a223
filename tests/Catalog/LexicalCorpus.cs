using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

/// <summary>Random documents over words w0, w1, ... of Zipfian frequency, and the comparison with the reference.</summary>
internal static class Corpus
{
    public static readonly string[] Vocabulary = [.. Enumerable.Range(0, 300).Select(i => $"w{i}")];

    public static LexicalDocument Document(Random random)
    {
        return new([.. Enumerable.Range(0, random.Next(4)).Select(_ => Text(random, 2))], Text(random, 15), [.. Enumerable.Range(0, random.Next(3)).Select(_ => Text(random, 8))], Text(random, 3));
    }

    public static string Word(Random random) => Vocabulary[(int)Math.Min(Vocabulary.Length - 1, Math.Exp(random.NextDouble() * Math.Log(Vocabulary.Length)) - 1)];

    private static string Text(Random random, int most) => string.Join(' ', Enumerable.Range(0, random.Next(most + 1)).Select(_ => Word(random)));

    /// <summary>Random queries of one to six words, some with a required and some with an excluded word, at several k.</summary>
    public static async Task AssertExactAsync(LexicalIndex index, IReadOnlyDictionary<long, LexicalDocument> documents, LexicalOptions options, int seed)
    {
        var random = new Random(seed);
        var reference = new Bm25Reference(documents, options);
        for (var q = 0; q < 60; q++)
        {
            string[] words = [.. Enumerable.Range(0, random.Next(1, 7)).Select(_ => random.Next(2) == 0 ? Word(random) : Vocabulary[random.Next(Vocabulary.Length)]).Distinct()];
            var text = string.Join(' ', words);
            var expected = reference.Scores(words);
            if (q % 4 == 1)
            {
                text = "+" + text;
                expected = expected.Where(e => Bm25Reference.Words(documents[e.Key]).Contains(words[0])).ToDictionary();
            }
            else if (q % 4 == 2)
            {
                var unwanted = Word(random);
                text += " -" + unwanted;
                expected = expected.Where(e => !Bm25Reference.Words(documents[e.Key]).Contains(unwanted)).ToDictionary();
            }

            var k = (q % 5) switch { 0 => 1, 1 => 10_000, _ => 10 };
            var hits = await index.SearchAsync(LexicalQuery.Parse(text), k);
            double[] best = [.. expected.Values.OrderDescending().Take(k)];
            Assert.Equal(best.Length, hits.Count);
            for (var i = 0; i < best.Length; i++)
            {
                Assert.True(Math.Abs(best[i] - hits[i].Score) < 1e-5, $"\"{text}\" rank {i}: {hits[i].Score} instead of {best[i]}");
                Assert.True(Math.Abs(expected[hits[i].ImageId] - hits[i].Score) < 1e-5, $"\"{text}\" image {hits[i].ImageId}: {hits[i].Score} instead of {expected[hits[i].ImageId]}");
            }
        }
    }
}
