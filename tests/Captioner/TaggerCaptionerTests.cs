using ImageSearch.Captioner.Tagging;
using ImageSearch.Models;
using ImageSearch.Tests.Servers;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ImageSearch.Captioner.Tests;

/// <summary>The tagger over the shipped models.</summary>
public class TaggerCaptionerTests
{
    private static ModelsOptions Models => new() { Directory = TestServers.ModelsDirectory, Threads = 1 };

    [Fact]
    public async Task Every_region_is_tagged_with_provenance_and_the_same_picture_gets_the_same_words()
    {
        using var captioner = new TaggerCaptioner(Models, new());

        var texts = await captioner.CaptionAsync(TestPictures.Jpeg(640, 400));
        var again = await captioner.CaptionAsync(TestPictures.Jpeg(640, 400));

        Assert.Equal(HealthStatus.Healthy, captioner.Health.Status);
        Assert.Equal(($"tagger:{ModelsOptions.DefaultEmbedding}", "tags/2x2"), (captioner.Name, captioner.Version));
        Assert.Equal([0, 1, 2, 3, 4], texts.Select(t => (int)t.Region));
        Assert.All(texts, t => Assert.True(t.Milliseconds > 0));
        Assert.All(texts, t => Assert.StartsWith(t.Caption.Split(", ")[0], t.Tags.FirstOrDefault() ?? "", StringComparison.Ordinal));
        Assert.Equal(texts.Select(t => t.Caption), again.Select(t => t.Caption));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(700, 9)]
    [InlineData(9, 700)]
    public async Task Pictures_of_any_shape_are_taken(int width, int height)
    {
        using var captioner = new TaggerCaptioner(Models, new() { Grid = "3x3" });

        Assert.Equal(10, (await captioner.CaptionAsync(TestPictures.Jpeg(width, height))).Count);
    }

    [Fact]
    public async Task A_missing_model_is_said_in_health_and_holds_the_queue_instead_of_failing_pictures()
    {
        using var captioner = new TaggerCaptioner(Models, new() { TaggerModel = "no-such/7" });

        Assert.Equal(HealthStatus.Unhealthy, captioner.Health.Status);
        Assert.Contains("no-such", captioner.Health.Description, StringComparison.Ordinal);
        Assert.True((await Assert.ThrowsAsync<CaptionException>(() => captioner.CaptionAsync(TestPictures.Jpeg()))).ConcernsAll);
    }
}
