using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Imaging;

namespace ImageSearch.Journeys.Tests;

[Collection("system")]
public sealed class UserJourneys(RunningSystem system)
{
    [Fact]
    public async Task An_uploaded_picture_is_found_by_the_words_of_its_description()
    {
        var id = await PutAsync("words/harbour.jpg", TestPictures.Jpeg(1), "A lighthouse above the stormy harbour of Quendalia");
        await system.SearchableAsync([id]);

        var hits = await system.SearchAsync(new { text = "quendalia lighthouse", k = 5 });

        Assert.Equal(id.Hex, hits[0].Id);
    }

    [Fact]
    public async Task An_uploaded_picture_is_found_by_a_smaller_copy_of_itself()
    {
        var original = TestPictures.Jpeg(2, 640, 480);
        var id = await PutAsync("copy/original.jpg", original);
        await system.SearchableAsync([id]);

        var copy = ImageFiles.Encode(ImageFiles.Decode(original).FitWithin(300), ImageFormat.WebP, 70);
        using var form = new MultipartFormDataContent
        {
            { new StringContent("""{"k":3}""", Encoding.UTF8, "application/json"), "query" },
            { Part(copy), "image", "copy.webp" },
        };
        using var response = await system.Query.PostAsync("/api/search", form);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStreamAsync());

        Assert.Equal(id.Hex, answer.RootElement.GetProperty("hits")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_picture_is_served_decoded_from_its_bitstream()
    {
        var original = TestPictures.Jpeg(3, 320, 200);
        var id = await PutAsync("serve/picture.jpg", original);
        await system.SearchableAsync([id]);

        var served = await system.Query.GetByteArrayAsync($"/api/images/{id}/content?format=png");

        var (before, after) = (ImageFiles.Decode(original), ImageFiles.Decode(served));
        Assert.Equal((before.Width, before.Height), (after.Width, after.Height));
        var squares = before.Pixels.Zip(after.Pixels, (a, b) => (double)(a - b) * (a - b)).Average();
        Assert.InRange(10 * Math.Log10(255 * 255 / squares), 25, 60);
    }

    [Fact]
    public async Task A_deleted_picture_is_no_longer_found_and_nothing_of_it_stays()
    {
        var id = await PutAsync("delete/me.jpg", TestPictures.Jpeg(4), "an ephemeral zyxomma");
        await system.SearchableAsync([id]);

        await system.Store.DeleteAsync(system.UploadBucket, "delete/me.jpg");

        await RunningSystem.Eventually(() => system.SearchAsync(new { text = "zyxomma", mode = "lexical" }), hits => hits.All(h => h.Id != id.Hex), "the picture is gone from search");
        await RunningSystem.Eventually(() => DerivedAsync(id), keys => keys.Count == 0, "no derived object stays");
        using var content = await system.Query.GetAsync($"/api/images/{id}");
        Assert.Equal(HttpStatusCode.NotFound, content.StatusCode);
    }

    [Fact]
    public async Task The_same_picture_under_two_keys_is_one_and_goes_with_the_last()
    {
        var picture = TestPictures.Jpeg(5);
        var id = await PutAsync("twice/a.jpg", picture, "a doubled wobbegong");
        await PutAsync("twice/b.jpg", picture, "a doubled wobbegong");
        await system.SearchableAsync([id]);
        await RunningSystem.Eventually(() => new ImageCatalog(system.Database).KeysOfAsync(id), keys => keys.Count == 2, "both keys are known");

        Assert.Single(await system.SearchAsync(new { text = "wobbegong", mode = "lexical" }));
        await system.Store.DeleteAsync(system.UploadBucket, "twice/a.jpg");
        await RunningSystem.Eventually(() => new ImageCatalog(system.Database).KeysOfAsync(id), keys => keys.Count == 1, "one key is left");
        Assert.Single(await system.SearchAsync(new { text = "wobbegong", mode = "lexical" }));
        await system.Store.DeleteAsync(system.UploadBucket, "twice/b.jpg");
        await RunningSystem.Eventually(() => new ImageCatalog(system.Database).KeysOfAsync(id), keys => keys.Count == 0, "no key is left");
        await RunningSystem.Eventually(() => DerivedAsync(id), keys => keys.Count == 0, "no derived object stays");
    }

    [Fact]
    public async Task A_picture_whose_event_was_lost_is_found_by_the_next_comparison_with_the_store()
    {
        var configuration = await system.Store.Client.GetBucketNotificationAsync(system.UploadBucket);
        ImageId id;
        await system.Store.Client.PutBucketNotificationAsync(new() { BucketName = system.UploadBucket });
        try
        {
            id = await PutAsync("lost/event.jpg", TestPictures.Jpeg(6));
        }
        finally
        {
            await system.Store.Client.PutBucketNotificationAsync(new() { BucketName = system.UploadBucket, TopicConfigurations = configuration.TopicConfigurations });
        }

        await system.SearchableAsync([id]);
    }

    [Fact]
    public async Task A_text_file_named_jpg_is_rejected_with_a_reason_that_the_uploader_can_ask_for()
    {
        await system.Store.PutAsync(system.UploadBucket, "bad/notes.jpg", Encoding.UTF8.GetBytes("Dear diary, this is no picture."), "image/jpeg");

        await RunningSystem.Eventually(
            async () => await (await system.Ingest.GetAsync("/objects/bad/notes.jpg")).Content.ReadAsStringAsync(),
            answer => answer.Contains("rejected", StringComparison.Ordinal) && answer.Contains("NotAPicture", StringComparison.Ordinal), "a rejection with its reason");
    }

    [Fact]
    public async Task Damaged_pictures_of_every_format_become_searchable_or_are_rejected()
    {
        var (exitCode, output) = await system.CommandAsync("fuzz", "--upload", "--files", "10");
        Assert.True(exitCode == 0, output);
        Assert.Contains("tiff", output, StringComparison.Ordinal);
        await using var left = system.Database.CreateCommand("SELECT count(*) FROM objects WHERE starts_with(key, 'fuzz/')");
        await RunningSystem.Eventually(async () => (long)(await left.ExecuteScalarAsync())!, n => n == 0, "everything taken out again");
    }

    [Fact]
    public async Task A_picture_that_breaks_off_in_the_middle_is_rejected_too()
    {
        var whole = TestPictures.Jpeg(7, 640, 480);
        await system.Store.PutAsync(system.UploadBucket, "bad/half.jpg", whole[..(whole.Length / 2)], "image/jpeg");

        await RunningSystem.Eventually(
            () => new ImageCatalog(system.Database).FindRejectionAsync(system.UploadBucket, "bad/half.jpg"), r => r?.Code == "Damaged", "rejected as damaged");
    }

    [Fact]
    public async Task Several_files_are_uploaded_over_http_and_each_gets_its_answer()
    {
        var picture = TestPictures.Jpeg(8);
        using var form = new MultipartFormDataContent
        {
            { Part(picture), "file", "first.jpg" },
            { Part(picture), "file", "same again.jpg" },
            { Part("no picture"u8.ToArray()), "file", "fake.png" },
        };
        using var response = await system.Ingest.PostAsync("/images", form);
        var files = (await response.Content.ReadFromJsonAsync<List<JsonElement>>())!;

        Assert.Equal(["registered", "duplicate", "rejected"], files.Select(f => f.GetProperty("status").GetString()));
        await system.SearchableAsync([ImageId.Of(picture)]);

        using var deleted = await system.Ingest.DeleteAsync($"/images/{ImageId.Of(picture)}");
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        Assert.Empty(await new ImageCatalog(system.Database).KeysOfAsync(ImageId.Of(picture)));
    }

    [Theory]
    [InlineData("keys/a b+c ü.jpg", 21)]
    [InlineData("keys/100% & more?.jpg", 22)]
    [InlineData("keys/日本.jpg", 23)]
    public async Task Keys_with_special_characters_arrive_as_they_are(string key, int seed)
    {
        var id = await PutAsync(key, TestPictures.Jpeg(seed));
        await system.SearchableAsync([id]);
        Assert.Equal(key, Assert.Single(await new ImageCatalog(system.Database).KeysOfAsync(id)).Key);
    }

    private static ByteArrayContent Part(byte[] content) => new(content) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };

    private async Task<ImageId> PutAsync(string key, byte[] content, string? description = null)
    {
        await system.Store.PutAsync(system.UploadBucket, key, content, "image/jpeg", description: description);
        return ImageId.Of(content);
    }

    private async Task<List<string>> DerivedAsync(ImageId id)
    {
        List<string> keys = [];
        await foreach (var o in system.Store.ListAsync(system.Store.Options.DerivedBucket))
        {
            if (ObjectKeys.ImageOf(o.Key) == id)
            {
                keys.Add(o.Key);
            }
        }

        return keys;
    }
}
