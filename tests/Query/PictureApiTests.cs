using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Contracts;
using ImageSearch.Imaging;

namespace ImageSearch.Query.Tests;

public sealed class PictureApiTests(SeededHost host) : IClassFixture<SeededHost>
{
    [Theory]
    [InlineData("?width=100&format=jpeg", 100, "image/jpeg")]
    [InlineData("?format=png", 640, "image/png")]
    [InlineData("?width=9000", 640, "image/webp")]
    public async Task Content_is_decoded_in_any_width_and_format(string query, int width, string mediaType)
    {
        using var response = await host.Http.GetAsync($"/api/images/{await FirstAsync("winter/snow-2.jpg")}/content{query}");
        Assert.Equal(mediaType, response.Content.Headers.ContentType!.MediaType);
        var picture = ImageFiles.Decode(await response.Content.ReadAsByteArrayAsync());
        Assert.Equal(width, picture.Width);
        Assert.Equal(3 * width / 4, picture.Height);
    }

    [Theory]
    [InlineData("content?width=64")]
    [InlineData("thumbnail")]
    [InlineData("heatmap?q=dog")]
    public async Task What_a_client_has_is_not_sent_again(string what)
    {
        var url = $"/api/images/{await FirstAsync("winter/snow.jpg")}/{what}";
        using var first = await host.Http.GetAsync(url);
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using var second = await host.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Empty(await second.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Details_show_sizes_keys_and_texts_with_their_author()
    {
        var id = await FirstAsync("holidays/rex.jpg");
        var details = await host.Http.GetFromJsonAsync<JsonElement>($"/api/images/{id}");
        Assert.Equal("holidays/rex.jpg", details.GetProperty("objects")[0].GetProperty("key").GetString());
        Assert.Equal("tagger:words/1", details.GetProperty("texts").GetProperty("captioner").GetString());
        Assert.Equal(2, details.GetProperty("texts").GetProperty("regions").GetArrayLength());
        Assert.Equal([WordModel.Name], details.GetProperty("models").EnumerateArray().Select(m => m.GetString()));
        Assert.True(details.GetProperty("bitstream").GetProperty("bytes").GetInt64() > 0);
    }

    [Fact]
    public async Task The_original_is_the_uploaded_file_and_never_shown_inline()
    {
        var id = await FirstAsync("holidays/rex.jpg");
        using var response = await host.Http.GetAsync($"/api/images/{id}/original");
        Assert.Equal(id, ImageId.Of(await response.Content.ReadAsByteArrayAsync()).Hex);
        Assert.Equal("attachment", response.Content.Headers.ContentDisposition!.DispositionType);
    }

    [Fact]
    public async Task Similar_pictures_leave_out_the_picture_itself()
    {
        var id = await FirstAsync("winter/snow.jpg");
        var similar = await host.Http.GetFromJsonAsync<JsonElement>($"/api/images/{id}/similar?k=3");
        Assert.Equal("winter/snow-2.jpg", similar.GetProperty("hits")[0].GetProperty("picture").GetProperty("key").GetString());
        Assert.DoesNotContain(similar.GetProperty("hits").EnumerateArray(), h => h.GetProperty("id").GetString() == id);
    }

    [Fact]
    public async Task Newest_pictures_are_listed_in_pages()
    {
        List<string> ids = [];
        string? before = null;
        do
        {
            var list = await host.Http.GetFromJsonAsync<JsonElement>($"/api/images?k=5{(before is null ? "" : "&before=" + before)}");
            ids.AddRange(list.GetProperty("pictures").EnumerateArray().Select(p => p.GetProperty("id").GetString()!));
            before = list.TryGetProperty("before", out var next) ? next.GetString() : null;
        }
        while (before is not null);
        Assert.Equal(12, ids.Distinct().Count());
        Assert.Equal(12, ids.Count);
    }

    [Fact]
    public async Task Status_counts_what_is_searchable_and_the_bytes()
    {
        var status = await host.Http.GetFromJsonAsync<JsonElement>("/api/status");
        Assert.Equal(12, status.GetProperty("pictures").GetProperty("searchable").GetInt32());
        Assert.Equal(WordModel.Name, status.GetProperty("model").GetString());
        Assert.True(status.GetProperty("bytes").GetProperty("originals").GetInt64() > 0);
    }

    [Theory]
    [InlineData("/api/images/xyz", HttpStatusCode.BadRequest)]
    [InlineData("/api/images/0000000000000000000000000000000000000000000000000000000000000000", HttpStatusCode.NotFound)]
    [InlineData("/api/images/0000000000000000000000000000000000000000000000000000000000000000/content", HttpStatusCode.NotFound)]
    [InlineData("/api/images/0000000000000000000000000000000000000000000000000000000000000000/content?width=1", HttpStatusCode.BadRequest)]
    [InlineData("/api/nothing", HttpStatusCode.NotFound)]
    public async Task Mistakes_are_problem_details(string url, HttpStatusCode status)
    {
        using var response = await host.Http.GetAsync(url);
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task Pages_of_other_sites_can_neither_frame_nor_read()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/status");
        request.Headers.Add("Origin", "https://elsewhere.example");
        using var response = await host.Http.SendAsync(request);
        Assert.Contains("frame-ancestors 'none'", response.Headers.GetValues("Content-Security-Policy").Single());
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
    }

    private async Task<string> FirstAsync(string key)
    {
        using var response = await host.Http.PostAsJsonAsync("/api/search", new { text = "dog", filter = new { keyPrefix = key } });
        return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("hits")[0].GetProperty("id").GetString()!;
    }
}
