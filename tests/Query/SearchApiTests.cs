using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Imaging;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;

namespace ImageSearch.Query.Tests;

public sealed class SearchApiTests(SeededHost host) : IClassFixture<SeededHost>
{
    [Theory]
    [InlineData("hybrid")]
    [InlineData("dense")]
    [InlineData("lexical")]
    public async Task Words_find_what_they_say(string mode)
    {
        var found = await SearchAsync(new { text = "cat", mode });
        Assert.StartsWith("animals and things/cat", Keys(found)[0]);
        Assert.False(found.GetProperty("noGoodMatch").GetBoolean());
        Assert.Equal(mode == "lexical" ? "off" : "ok", found.GetProperty("legs").GetProperty("dense").GetProperty("state").GetString());
    }

    [Fact]
    public async Task Written_words_come_before_resemblance_and_relevance_falls()
    {
        // Nothing about the holiday picture's vector says dog; its name does.
        var found = await SearchAsync(new { text = "dog holiday" });
        Assert.Equal("holidays/rex.jpg", Keys(found)[0]);
        Assert.Equal("written", found.GetProperty("hits")[0].GetProperty("lexical").GetProperty("source").GetString());
        var relevance = found.GetProperty("hits").EnumerateArray().Select(h => h.GetProperty("relevance").GetDouble()).ToList();
        Assert.Equal(relevance.OrderDescending(), relevance);
    }

    [Theory]
    [InlineData("ferry to Piraeus", "written")]
    [InlineData("boat night", "guessed")]
    public async Task An_uploaders_description_counts_as_written_though_the_rest_is_guessed(string text, string source)
    {
        var hit = (await SearchAsync(new { text })).GetProperty("hits")[0];
        Assert.Equal("holidays/night.jpg", hit.GetProperty("picture").GetProperty("key").GetString());
        Assert.Equal(source, hit.GetProperty("lexical").GetProperty("source").GetString());
    }

    [Fact]
    public async Task What_is_not_in_the_collection_is_no_good_match()
    {
        Assert.True((await SearchAsync(new { text = "zebra crossing" })).GetProperty("noGoodMatch").GetBoolean());
        Assert.True((await SearchAsync(new { text = "green", mode = "dense" })).GetProperty("noGoodMatch").GetBoolean());
    }

    [Theory]
    [InlineData("hybrid")]
    [InlineData("dense")]
    public async Task Excluded_words_stay_out_of_both_legs(string mode)
    {
        var found = await SearchAsync(new { text = "dog -snow", mode });
        Assert.NotEmpty(Keys(found));
        Assert.DoesNotContain(Keys(found), k => k.StartsWith("winter/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("boat +night", "holidays/night.jpg")]
    [InlineData("\"dog on holiday\"", "holidays/rex.jpg")]
    [InlineData("tag:people beach", "holidays/rex.jpg")]
    [InlineData("+holid*", "holidays/rex.jpg")]
    public async Task Required_words_hold_for_both_legs(string text, string only) => Assert.Equal([only], Keys(await SearchAsync(new { text })));

    [Fact]
    public async Task Negative_text_pushes_resemblance_away()
    {
        var plain = Keys(await SearchAsync(new { text = "dog", mode = "dense" }));
        var without = Keys(await SearchAsync(new { text = "dog", negativeText = "beach", mode = "dense" }));
        Assert.Contains("animals and things/dog-2.jpg", plain);
        Assert.DoesNotContain("animals and things/dog-2.jpg", without);
        Assert.Equal("animals and things/dog-1.jpg", without[0]);
    }

    [Fact]
    public async Task Filters_narrow_and_still_fill_the_page()
    {
        async Task<string[]> Filtered(object filter) => Keys(await SearchAsync(new { text = "dog", filter, k = 50 }));
        Assert.All(await Filtered(new { orientation = "portrait" }), k => Assert.EndsWith("-2.jpg", k));
        Assert.Equal(["winter/snow-2.jpg"], await Filtered(new { minWidth = 600 }));
        Assert.Equal(["winter/snow-2.jpg", "winter/snow.jpg"], (await Filtered(new { keyPrefix = "winter/" })).Order());
        Assert.Equal(4, (await Filtered(new { takenFrom = "2026-05-01", takenTo = "2026-05-02" })).Length);
        Assert.Equal(["holidays/rex.jpg"], await Filtered(new { tags = new[] { "people", "beach" } }));
        Assert.Empty(await Filtered(new { formats = new[] { "png" } }));
        Assert.Empty(await Filtered(new { uploadedTo = "2020-01-01" }));
        Assert.Equal(["holidays/night.jpg"], await Filtered(new { orientation = "square" }));
    }

    [Fact]
    public async Task A_picture_of_the_collection_finds_its_like_and_words_turn_it()
    {
        var id = (await SearchAsync(new { text = "cat", k = 1, mode = "dense" })).GetProperty("hits")[0].GetProperty("id").GetString();
        var alike = await SearchAsync(new { image = id, k = 3 });
        Assert.Equal(id, alike.GetProperty("hits")[0].GetProperty("id").GetString());
        Assert.Equal("off", alike.GetProperty("legs").GetProperty("lexical").GetProperty("state").GetString());
        foreach (var compose in new[] { "vector", "template" })
        {
            var turned = Keys(await SearchAsync(new { image = id, text = "beach", compose, mode = "dense", k = 2, weights = new { text = 1.0, image = 1.0 } }));
            Assert.Contains("animals and things/cat-2.jpg", turned);
        }
    }

    [Fact]
    public async Task An_uploaded_picture_is_a_query()
    {
        using var form = Form(ImageFiles.Encode(Collection.Plain(400, 300, (10, 10, 240)), ImageFormat.Jpeg), """{ "text": "car", "weights": { "image": 0.2 } }""");
        using var response = await host.Http.PostAsync("/api/search", form);
        var found = await ReadAsync(response);
        Assert.StartsWith("animals and things/car", Keys(found)[0]);
        Assert.True(found.GetProperty("readAs").GetProperty("picture").GetBoolean());
    }

    [Fact]
    public async Task A_file_that_is_no_picture_names_the_field()
    {
        using var form = Form("<svg xmlns='http://www.w3.org/2000/svg'/>"u8.ToArray(), "{}");
        await AssertProblemAsync(await host.Http.PostAsync("/api/search", form), HttpStatusCode.BadRequest, "image");
    }

    [Theory]
    [InlineData("""{ "text": "dog", "k": 500 }""", "k")]
    [InlineData("""{ }""", "text")]
    [InlineData("""{ "text": "-people", "mode": "lexical" }""", "mode")]
    [InlineData("""{ "text": "dog", "cursor": "AQAAAAAAAAAAAAAAAAAAAAAAAAAA" }""", "cursor")]
    [InlineData("""{ "image": "0000000000000000000000000000000000000000000000000000000000000000" }""", "image")]
    public async Task A_wrong_field_is_named(string json, string field) =>
        await AssertProblemAsync(await host.Http.PostAsync("/api/search", new StringContent(json, System.Text.Encoding.UTF8, "application/json")), HttpStatusCode.BadRequest, field);

    [Fact]
    public async Task Explanation_says_why()
    {
        var hit = (await SearchAsync(new { text = "dog beach", explain = true, filter = new { keyPrefix = "animals" } })).GetProperty("hits")[0];
        Assert.Equal("animals and things/dog-2.jpg", hit.GetProperty("picture").GetProperty("key").GetString());
        Assert.Equal(1, hit.GetProperty("dense").GetProperty("share").GetDouble() + hit.GetProperty("lexical").GetProperty("share").GetDouble(), 3);
        var explanation = hit.GetProperty("explanation");
        Assert.Equal(["beach", "dog"], explanation.GetProperty("terms").EnumerateArray().Select(t => t.GetProperty("word").GetString()).Order());
        Assert.Equal(0, explanation.GetProperty("region").GetProperty("region").GetInt32());

        // The page asks for it picture by picture.
        var alone = await ReadAsync(await host.Http.GetAsync($"/api/images/{hit.GetProperty("id")}/explanation?q=dog+beach"));
        Assert.Equal(explanation.GetProperty("terms").ToString(), alone.GetProperty("terms").ToString());
        Assert.Equal(explanation.GetProperty("region").ToString(), alone.GetProperty("region").ToString());
        await AssertProblemAsync(await host.Http.GetAsync($"/api/images/{hit.GetProperty("id")}/explanation"), HttpStatusCode.BadRequest, "q");
        await AssertProblemAsync(await host.Http.GetAsync($"/api/images/{hit.GetProperty("id")}/explanation?image=x"), HttpStatusCode.BadRequest, "image");
        using var heat = await host.Http.GetAsync(explanation.GetProperty("heatmap").GetString());
        Assert.Equal("image/png", heat.Content.Headers.ContentType!.MediaType);
        var picture = ImageFiles.Decode(await heat.Content.ReadAsByteArrayAsync());
        Assert.Equal(4, picture.Channels);

        // The left window is the dog, so that is where "dog" is hot.
        using var dog = await host.Http.GetAsync($"/api/images/{hit.GetProperty("id")}/heatmap?q=dog");
        var map = ImageFiles.Decode(await dog.Content.ReadAsByteArrayAsync());
        int Alpha(double x) => map.Pixels[(((map.Height / 2 * map.Width) + (int)(x * map.Width)) * 4) + 3];
        Assert.True(Alpha(0.1) > Alpha(0.9) + 50);
    }

    [Fact]
    public async Task The_short_form_gives_the_same_hits()
    {
        var get = await ReadAsync(await host.Http.GetAsync("/api/search?q=dog+-snow&k=3&orientation=landscape"));
        Assert.Equal(Keys(await SearchAsync(new { text = "dog -snow", k = 3, filter = new { orientation = "landscape" } })), Keys(get));
        await AssertProblemAsync(await host.Http.GetAsync("/api/search?q=dog&nonsense=1"), HttpStatusCode.BadRequest, "nonsense");
        await AssertProblemAsync(await host.Http.GetAsync("/api/search?q=dog&k=x"), HttpStatusCode.BadRequest, "k");
    }

    [Fact]
    public async Task Near_duplicates_are_grouped_on_request()
    {
        var grouped = await SearchAsync(new { text = "snow dog", groupDuplicates = true });
        var first = grouped.GetProperty("hits")[0];
        Assert.StartsWith("winter/", first.GetProperty("picture").GetProperty("key").GetString()!);
        Assert.Equal(1, first.GetProperty("duplicates").GetArrayLength());
        Assert.Single(Keys(grouped), k => k.StartsWith("winter/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tags_to_narrow_by_come_with_the_first_page()
    {
        var tags = (await SearchAsync(new { text = "dog" })).GetProperty("tags").EnumerateArray().Select(t => t.GetProperty("tag").GetString()).ToList();
        Assert.Contains("beach", tags);
        var offered = await host.Http.GetFromJsonAsync<JsonElement>("/api/tags?prefix=BE");
        Assert.Equal(["beach"], offered.EnumerateArray().Select(t => t.GetProperty("tag").GetString()));
    }

    [Fact]
    public async Task The_api_document_has_examples_and_both_media_types()
    {
        var document = await host.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var content = document.GetProperty("paths").GetProperty("/api/search").GetProperty("post").GetProperty("requestBody").GetProperty("content");
        Assert.True(content.TryGetProperty("multipart/form-data", out _));
        var examples = content.GetProperty("application/json").GetProperty("examples").EnumerateObject().Select(e => e.Value.GetProperty("value")).ToArray();
        Assert.All(Enum.GetValues<Composition>(), c => Assert.Contains(examples, e => Parsed(e).Compose == c));

        static SearchRequest Parsed(JsonElement example)
        {
            var errors = new FieldErrors();
            var request = SearchRequestReader.Parse(JsonSerializer.SerializeToUtf8Bytes(example), "", errors);
            Assert.False(errors.Any);
            return request!;
        }
    }

    [Theory]
    [InlineData("dog beach", false, 0.25)]
    [InlineData("zebra crossing", true, 0.5)]
    public async Task A_sure_first_hit_speaks_for_those_behind_it(string text, bool none, double cutoff)
    {
        var found = await SearchAsync(new { text });
        Assert.Equal((none, cutoff), (found.GetProperty("noGoodMatch").GetBoolean(), found.GetProperty("cutoff").GetDouble()));
        Assert.All(found.GetProperty("hits").EnumerateArray(), h => Assert.Equal(h.GetProperty("relevance").GetDouble() >= cutoff, h.GetProperty("good").GetBoolean()));
    }

    [Fact]
    public async Task A_query_picture_is_encoded_once_for_all_its_pages_and_weights()
    {
        var picture = ImageFiles.Encode(Collection.Plain(407, 301, (10, 240, 10)), ImageFormat.Jpeg);
        string[] queries = ["{}", """{ "k": 200 }""", """{ "text": "dog", "weights": { "image": 0.4 } }"""];
        foreach (var query in queries)
        {
            using var form = Form(picture, query);
            Assert.NotEmpty(Keys(await ReadAsync(await host.Http.PostAsync("/api/search", form))));
        }

        Assert.Equal(1, WordModel.Encoded[(407, 301)]);
    }

    private static MultipartFormDataContent Form(byte[] picture, string query) => new()
    {
        { new StringContent(query), "query" },
        { new ByteArrayContent(picture), "image", "picture.jpg" },
    };

    private static string[] Keys(JsonElement response) =>
        [.. response.GetProperty("hits").EnumerateArray().Select(h => h.GetProperty("picture").GetProperty("key").GetString()!)];

    private static async Task AssertProblemAsync(HttpResponseMessage response, HttpStatusCode status, string field)
    {
        using (response)
        {
            Assert.Equal(status, response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
            var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
            Assert.Contains(field, problem.GetProperty("errors").EnumerateObject().Select(e => e.Name));
        }
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    private async Task<JsonElement> SearchAsync(object request)
    {
        using var response = await host.Http.PostAsJsonAsync("/api/search", request);
        return await ReadAsync(response);
    }
}
