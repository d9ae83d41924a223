using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ImageSearch.Contracts;
using ImageSearch.Models;

namespace ImageSearch.Journeys.Tests;

/// <summary>A second model is filled beside the one in use, takes over and hands back, while people search.</summary>
[Collection("system")]
public sealed class ModelJourneys(RunningSystem system)
{
    private const string Old = ModelsOptions.DefaultEmbedding;
    private const string New = "lic-adapter/1";

    [Fact]
    public async Task Switching_models_under_load_fails_no_query_and_blanks_none()
    {
        var pictures = Enumerable.Range(0, 24).Select(i => TestPictures.Jpeg(70_000 + i, 200, 150)).ToArray();
        await Task.WhenAll(pictures.Select((p, i) => system.Store.PutAsync(system.UploadBucket, $"switch/{i}.jpg", p, "image/jpeg")));
        await system.SearchableAsync(pictures.Select(p => ImageId.Of(p)).ToHashSet());

        var answers = new ConcurrentQueue<Answer>();
        using var stop = new CancellationTokenSource();
        var people = Enumerable.Range(0, 2).Select(n => SearchOnAsync(n, answers, stop.Token)).ToArray();

        var job = (await PostAsync("/api/models/fill", new { name = New, rate = 200 }))!["job"]!.GetValue<long>();
        await RunningSystem.Eventually(async () => (await system.Operator.GetFromJsonAsync<JsonNode>($"/api/jobs/{job}"))!["state"]!.ToString(), s => s == "done", $"all pictures embedded under {New}");
        Assert.All(answers, a => Assert.Equal(Old, a.Model));

        foreach (var model in (string[])[New, Old])
        {
            await PostAsync("/api/models/activate", new { name = model });
            var switched = DateTime.UtcNow;
            await RunningSystem.Eventually(() => Task.FromResult(answers.Where(a => a.Asked > switched).Select(a => a.Model).TakeLast(3).ToArray()), last => last.Length == 3 && last.All(m => m == model), $"{model} answers");
        }

        await stop.CancelAsync();
        await Task.WhenAll(people);
        Assert.All(answers, a => Assert.Equal((HttpStatusCode.OK, "ok", true), (a.Status, a.Dense, a.Hits > 0)));
        Assert.Equal([Old, New], answers.Select(a => a.Model).Distinct());

        await PostAsync("/api/models/retire", new { name = New });
    }

    private async Task SearchOnAsync(int number, ConcurrentQueue<Answer> answers, CancellationToken stop)
    {
        string[] texts = ["a dog on the beach", "red circle", "a car in front of a house", "blue"];
        for (var i = number; !stop.IsCancellationRequested; i++)
        {
            var asked = DateTime.UtcNow;
            using var response = await system.Query.PostAsJsonAsync("/api/search", new { text = $"{texts[i % texts.Length]} {i}", mode = "dense" }, CancellationToken.None);
            var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(CancellationToken.None))!;
            answers.Enqueue(new(asked, response.StatusCode, body["model"]?.ToString(), body["legs"]?["dense"]?["state"]?.ToString(), body["hits"]?.AsArray().Count ?? 0));
        }
    }

    private async Task<JsonNode?> PostAsync(string path, object body)
    {
        using var response = await system.Operator.PostAsJsonAsync(path, body);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    private sealed record Answer(DateTime Asked, HttpStatusCode Status, string? Model, string? Dense, int Hits);
}
