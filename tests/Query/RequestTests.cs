using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;

namespace ImageSearch.Query.Tests;

public sealed class RequestTests
{
    [Fact]
    public void A_full_request_is_read()
    {
        var (request, errors) = Parse("""
            { "text": "red car", "negativeText": "toy", "weights": { "text": 0.5 }, "mode": "hybrid", "fusion": { "method": "rrf", "rrfK": 10 }, "k": 5, "explain": true,
              "filter": { "minWidth": 100, "orientation": "landscape", "formats": ["jpeg"], "takenFrom": "2026-01-01", "tags": ["car"] } }
            """);
        Assert.Empty(errors);
        Assert.Equal("red car", request!.Text);
        Assert.Equal(new SearchWeights(0.5), request.Weights);
        Assert.Equal(new FusionRequest(FusionMethod.Rrf, RrfK: 10), request.Fusion);
        Assert.Equal(Orientation.Landscape, request.Filter!.Orientation);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), request.Filter.TakenFrom);
    }

    [Theory]
    [InlineData("""{ "text": 5 }""", "text")]
    [InlineData("""{ "text": "\u0000" }""", "text")]
    [InlineData("""{ "text": "\ud800" }""", "text")]
    [InlineData("""{ "k": 201 }""", "k")]
    [InlineData("""{ "k": 0 }""", "k")]
    [InlineData("""{ "k": 1e99 }""", "k")]
    [InlineData("""{ "weights": { "text": "NaN" } }""", "weights.text")]
    [InlineData("""{ "weights": { "image": 1e999 } }""", "weights.image")]
    [InlineData("""{ "image": "../../etc/passwd" }""", "image")]
    [InlineData("""{ "mode": "magic" }""", "mode")]
    [InlineData("""{ "fusion": { "method": "rrf", "rrfK": -1 } }""", "fusion.rrfK")]
    [InlineData("""{ "filter": { "minWidht": 5 } }""", "filter.minWidht")]
    [InlineData("""{ "filter": { "tags": [1] } }""", "filter.tags[0]")]
    [InlineData("""{ "filter": { "takenFrom": "yesterday" } }""", "filter.takenFrom")]
    [InlineData("""{ "filter": { "takenFrom": "2026-02-01", "takenTo": "2026-01-01" } }""", "filter.takenTo")]
    [InlineData("""{ "text": "a", "text": "b" }""", "text")]
    [InlineData("[]", "")]
    [InlineData("{", "")]
    public void Every_mistake_is_named(string json, string field) => Assert.Contains(field, Parse(json).Errors);

    [Fact]
    public void All_mistakes_are_named_at_once() => Assert.Equal(["k", "mode", "nonsense"], Parse("""{ "k": 0, "mode": 1, "nonsense": 2 }""").Errors.Order());

    [Fact]
    public void Words_go_to_both_legs()
    {
        var text = QueryText.Of("dog +beach -people \"red boat\" tag:snow", null);
        Assert.Equal("dog beach red boat snow", text.Positive);
        Assert.Equal(["people"], text.Negative);
        Assert.True(text.HasWords);
        var condition = text.Condition("english")!;
        Assert.Equal(["beach", "red boat", "snow"], condition.Must.Select(m => m.Text));
        Assert.Equal(["people"], condition.MustNot.Select(m => m.Text));
    }

    [Fact]
    public void Negative_text_of_several_words_is_one_thing()
    {
        var text = QueryText.Of("city", "cars on the street");
        Assert.Equal(["cars on the street"], text.Negative);
        var clause = Assert.Single(text.Words.Clauses, c => c.Occurrence == LexicalOccurrence.MustNot);
        Assert.Equal(LexicalClauseKind.Phrase, clause.Kind);
        Assert.Null(QueryText.Of("city", null).Condition("english"));
    }

    [Fact]
    public void Cursor_survives_its_text_form()
    {
        var cursor = new SearchCursor(ulong.MaxValue - 5, 123_456_789_012, 480);
        Assert.True(SearchCursor.TryParse(cursor.ToString(), out var read));
        Assert.Equal(cursor, read);
        Assert.All(["", "abc", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", new string('!', 28), cursor + "A"], text => Assert.False(SearchCursor.TryParse(text, out _)));
    }

    [Fact]
    public void Page_size_does_not_make_another_search_but_words_and_filters_do()
    {
        var request = new SearchRequest("dog", Filter: new(MinWidth: 5));
        Assert.Equal(SearchCursor.HashOf(request), SearchCursor.HashOf(request with { K = 7, Cursor = "x", Explain = true }));
        Assert.NotEqual(SearchCursor.HashOf(request), SearchCursor.HashOf(request with { Text = "cat" }));
        Assert.NotEqual(SearchCursor.HashOf(request), SearchCursor.HashOf(request with { Filter = new(MinWidth: 6) }));
        Assert.NotEqual(SearchCursor.HashOf(request), SearchCursor.HashOf(request with { Upload = new byte[] { 1 } }));
    }

    private static (SearchRequest? Request, IReadOnlyCollection<string> Errors) Parse(string json)
    {
        var errors = new FieldErrors();
        var request = SearchRequestReader.Parse(Encoding.UTF8.GetBytes(json), "", errors);
        return (request, errors.Any ? [.. errors.ToProblem().ProblemDetails.Errors.Keys] : []);
    }
}
