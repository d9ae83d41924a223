using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Operator.Models;

namespace ImageSearch.Operator.Tests;

public sealed class ModelSwitchTests(OperatorFixture fixture) : IClassFixture<OperatorFixture>
{
    [Fact]
    public async Task A_model_is_filled_in_the_background_activated_when_whole_and_switched_back()
    {
        var embeddings = new EmbeddingCatalog(fixture.Db);
        var old = await embeddings.RegisterModelAsync("old/1", 2, null);
        List<long> images = [];
        for (var i = 0; i < 5; i++)
        {
            var (image, _, _) = await new ImageCatalog(fixture.Db).RegisterAsync("b", $"k{i}", "e", new(ImageId.Of([(byte)i]), "png", 1, 1, 1, null));
            images.Add(image);
        }

        await embeddings.StoreAsync(old, [.. images.Select(i => (i, new float[] { 1, 0 }))]);
        Directory.CreateDirectory(Path.Combine(fixture.ModelsDirectory, "new", "1"));
        await File.WriteAllTextAsync(Path.Combine(fixture.ModelsDirectory, "new", "1", "manifest.json"),
            """{"name":"new","version":"1","kind":"embedding","description":"test","files":{},"dimensions":3}""");

        Assert.Equal(["new/1", "old/1"], (await fixture.GetAsync<ModelView[]>("/api/models")).Select(m => m.Name));
        var job = (await fixture.PostAsync<JobStarted>("/api/models/fill", new { name = "new/1", rate = 100 })).Job;
        using (var twice = await fixture.Http.PostAsJsonAsync("/api/models/fill", new { name = "new/1" }))
        {
            Assert.Equal(HttpStatusCode.Conflict, twice.StatusCode);
        }

        using (var early = await fixture.Http.PostAsJsonAsync("/api/models/activate", new { name = "new/1" }))
        {
            Assert.Equal(HttpStatusCode.Conflict, early.StatusCode);
        }

        // The embedder's part; its first try leaves one out, which the second sweep asks for again.
        var fresh = (await embeddings.ModelsAsync()).Single(m => m.Name == "new/1");
        Assert.Equal("filling", fresh.State);
        var asked = await TakeRequestsAsync(5);
        Assert.Equal(images, asked);
        await embeddings.StoreAsync(fresh, [.. images.Skip(1).Select(i => (i, new float[] { 0, 1, 0 }))]);
        Assert.Equal([images[0]], await TakeRequestsAsync(1));
        await embeddings.StoreAsync(fresh, [(images[0], [0, 1, 0])]);
        var done = await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<StageJob>($"/api/jobs/{job}"), j => j.State == "done");
        Assert.Equal((2, 6L, 0L), (done.Sweep, done.Requested, done.Missing));

        await fixture.PostAsync<Activated>("/api/models/activate", new { name = "new/1" });
        Assert.Equal([("new/1", "active"), ("old/1", "standby")], await StatesAsync());
        await fixture.PostAsync<Activated>("/api/models/activate", new { name = "old/1" });
        Assert.Equal([("new/1", "standby"), ("old/1", "active")], await StatesAsync());
        Assert.Equal(2, (await fixture.GetAsync<LogLine[]>("/api/log")).Count(l => l is { Actor: "tester", Action: "activate model" }));
    }

    private async Task<(string, string)[]> StatesAsync() => [.. (await fixture.GetAsync<ModelView[]>("/api/models")).Select(m => (m.Name, m.Known!.State))];

    private async Task<List<long>> TakeRequestsAsync(int count)
    {
        List<long> asked = [];
        while (asked.Count < count)
        {
            var message = (await OperatorFixture.EventuallyAsync(() => fixture.Channel.BasicGetAsync("embedder", autoAck: true), m => m is not null))!;
            var request = JsonNode.Parse(message.Body.Span)!["message"]!;
            Assert.Equal(("embed", "new/1"), (request["stage"]!.GetValue<string>(), request["model"]!.GetValue<string>()));
            asked.Add(request["image"]!.GetValue<long>());
        }

        asked.Sort();
        return asked;
    }
}
