using ImageSearch.Captioner.Chat;

namespace ImageSearch.Captioner.Tests;

public class CaptionJsonTests
{
    [Theory]
    [InlineData("""{"tags": ["Dog", "grass"], "caption": "A dog."}""")]
    [InlineData("```json\n{\"tags\": [\"dog\", \"grass\"], \"caption\": \"A dog.\"}\n```")]
    [InlineData("Sure! Here {is} the JSON: {\"tags\": [\"dog\", \"grass\",], \"caption\": \"A dog.\",} Anything else?")]
    [InlineData("""{"tags": "dog, grass", "caption": ["A", "dog."]}""")]
    [InlineData("""{"Tags": "#dog #grass", "Description": "A dog."}""")]
    [InlineData("""{"keywords": [{"tag": "dog"}, {"name": "grass"}], "caption": {"text": "A dog."}}""")]
    [InlineData("""[{"tags": ["dog", "dog ", "grass."], "caption": "A\n dog."}]""")]
    [InlineData("""{"result": {"tags": {"dog": 0.9, "grass": 0.4}, "caption": "A dog."}}""")]
    [InlineData("{'tags': ['dog', 'grass'], 'caption': 'A dog.'}")]
    [InlineData("<think>{\"tags\": [\"cat\"]} no, wrong</think>{\"tags\": [\"dog\", \"grass\"], \"caption\": \"A dog.\"}")]
    [InlineData("""{"tags": ["dog", "grass"], "caption": "A dog.", "confidence": """)]
    [InlineData("""{"caption": "A dog.", "tags": ["dog", "grass"]""")]
    public void What_models_write_is_understood(string text)
    {
        var answer = CaptionJson.Parse(text);

        Assert.NotNull(answer);
        Assert.Equal(["dog", "grass"], answer.Tags);
        Assert.Equal("A dog.", answer.Caption);
    }

    [Theory]
    [InlineData("""{"tags": ["dog", "gra""", new[] { "dog", "gra" }, "")]
    [InlineData("""{"tags": ["dog"], "caption": "A dog in a \""", new[] { "dog" }, "A dog in a")]
    [InlineData("""{"tags": [], "caption": "Fog."}""", new string[0], "Fog.")]
    [InlineData("""{"tags": [1969, true, null, "moon"], "caption": 7}""", new[] { "1969", "moon" }, "")]
    public void Half_of_an_answer_is_taken(string text, string[] tags, string caption)
    {
        var answer = CaptionJson.Parse(text);

        Assert.NotNull(answer);
        Assert.Equal(tags, answer.Tags);
        Assert.Equal(caption, answer.Caption);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("A dog lies in the grass.")]
    [InlineData("{}")]
    [InlineData("""{"tags": [], "caption": ""}""")]
    [InlineData("{{{{{{{{{{{{{{{{")]
    [InlineData("""{"answer": 42}""")]
    public void What_says_nothing_is_null(string? text) => Assert.Null(CaptionJson.Parse(text));

    [Fact]
    public void Deep_nesting_is_null_and_no_crash() => Assert.Null(CaptionJson.Parse(string.Concat(Enumerable.Repeat("{\"a\":[", 100_000))));

    [Fact]
    public void Sizes_are_bounded_and_nothing_is_left_that_PostgreSQL_cannot_store()
    {
        var tags = string.Join(", ", Enumerable.Range(0, 500).Select(i => $"\"t{i}{new string('x', 100)}\""));
        var answer = CaptionJson.Parse($$"""{"tags": [{{tags}}], "caption": "a\u0000b\ud800c {{new string('y', 5000)}}"}""");

        Assert.NotNull(answer);
        Assert.Equal(CaptionJson.MostTags, answer.Tags.Length);
        Assert.All(answer.Tags, t => Assert.True(t.Length <= CaptionJson.LongestTag));
        Assert.True(answer.Caption.Length <= CaptionJson.LongestCaption);
        Assert.StartsWith("a b", answer.Caption, StringComparison.Ordinal);
        Assert.DoesNotContain('\0', answer.Caption);
    }
}
