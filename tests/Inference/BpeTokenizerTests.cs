using ImageSearch.Models;

namespace ImageSearch.Inference.Tests;

public class BpeTokenizerTests
{
    private static readonly BpeTokenizer Clip = new(Path.Combine(Fixtures.Clip, "vocab.json"), Path.Combine(Fixtures.Clip, "merges.txt"));

    private static readonly BpeTokenizer Own = new(
        Path.Combine(Fixtures.Shipped, "vocab.json"), Path.Combine(Fixtures.Shipped, "merges.txt"), asciiLetters: true, clean: false);

    [Fact]
    public void Ids_are_those_of_the_reference_in_clip_form()
    {
        var cases = Fixtures.Json<TextCase[]>(Path.Combine(Fixtures.Clip, "cases.json"));
        Assert.Equal(11, cases.Length);
        Assert.All(cases, c => Assert.Equal(c.Ids, Clip.Encode(c.Text, 77)));
    }

    [Fact]
    public void Ids_are_those_of_the_shipped_model()
    {
        var cases = Fixtures.Json<TextCase[]>(Path.Combine(Fixtures.Shipped, "text_cases.json"));
        Assert.Equal(16, cases.Length);
        Assert.All(cases, c => Assert.Equal(c.Ids, Own.Encode(c.Text, 32)));
    }

    /// <summary>Ids below 512 do not depend on the merges: these are the published CLIP's as well (a = 320, "." = 269, "," = 267, "!" = 256).</summary>
    [Theory]
    [InlineData("a", 320)]
    [InlineData(".", 269)]
    [InlineData(",", 267)]
    [InlineData("!", 256)]
    [InlineData("A", 320)]
    public void Single_symbols_have_clips_ids(string text, int id) => Assert.Equal([Clip.StartId, id, Clip.EndId], Clip.Encode(text, 77));

    [Fact]
    public void Long_texts_keep_the_end_token()
    {
        var ids = Clip.Encode(string.Concat(Enumerable.Repeat("dog ", 500)), 77);
        Assert.Equal(77, ids.Length);
        Assert.Equal((Clip.StartId, Clip.EndId), (ids[0], ids[^1]));
        Assert.Equal(2, Clip.Encode("dog", 2).Length);
    }

    [Fact]
    public void Special_tokens_in_a_text_are_plain_characters()
    {
        var ids = Clip.Encode("a<|endoftext|>b", 77);
        Assert.Single(ids, Clip.EndId);
        Assert.Single(ids, Clip.StartId);
    }

    [Fact]
    public void Any_text_has_ids()
    {
        var random = new Random(5);
        for (var i = 0; i < 300; i++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(60)).Select(_ => (char)random.Next(i % 2 == 0 ? 256 : 65_536))]);
            foreach (var tokenizer in new[] { Clip, Own })
            {
                var ids = tokenizer.Encode(text, 32);
                Assert.InRange(ids.Length, 2, 32);
                Assert.Equal(tokenizer.EndId, ids[^1]);
                Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            }
        }

        Assert.Equal(77, Clip.Encode(new string('q', 5_000_000), 77).Length);
    }

    [Fact]
    public void Files_of_another_form_are_refused()
    {
        using var folder = new TempFolder();
        var vocabulary = Path.Combine(folder.Path, "vocab.json");
        File.WriteAllText(vocabulary, """{"dog":1}""");
        var e = Assert.Throws<ModelException>(() => new BpeTokenizer(vocabulary, Path.Combine(Fixtures.Clip, "merges.txt")));
        Assert.Contains("merges.txt", e.Message, StringComparison.Ordinal);
        File.WriteAllText(vocabulary, "no JSON");
        Assert.Throws<ModelException>(() => new BpeTokenizer(vocabulary, Path.Combine(Fixtures.Clip, "merges.txt")));
    }
}
