using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Query.Search;
using ImageSearch.Tests.Servers;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Tests;

/// <summary>A query service that is told of a language model; the model itself is a fake that says what the test wants.</summary>
public sealed class MergingHost : QueryHost
{
    public FakeChatServer Chat { get; } = FakeChatServer.StartAsync().GetAwaiter().GetResult();

    internal override void Configure(IWebHostBuilder web)
    {
        web.UseSetting("Search:Chat:BaseAddress", Chat.BaseAddress);
        web.UseSetting("Search:Chat:Model", "fake-writer");
        web.UseSetting("Search:Chat:ApiKey", "secret");
        web.UseSetting("Search:Chat:Seconds", "20");
        web.UseSetting("Search:Chat:PauseSeconds", "0");
    }

    internal override async Task SeedAsync()
    {
        await Collection.AddAsync("a/dog.jpg", "dog", ["dog"]);
        await Collection.AddAsync("a/cat.jpg", "cat", ["cat"]);
        await Collection.AddAsync("a/night.jpg", "night boat", ["night", "boat"]);
    }
}

public sealed class TextMergeTests(MergingHost host) : IClassFixture<MergingHost>
{
    [Fact]
    public async Task The_model_merges_what_the_picture_shows_and_what_the_user_says()
    {
        host.Chat.Then(FakeChatServer.Writes("\"A boat at night.\"\n"));
        var before = host.Chat.Requests.Count;
        var found = await SearchAsync("dog", "on the water instead");
        var readAs = found.GetProperty("readAs");
        Assert.Equal(("A boat at night.", "llm"), (readAs.GetProperty("merged").GetString(), readAs.GetProperty("mergedBy").GetString()));
        Assert.Equal("a/night.jpg", found.GetProperty("hits")[0].GetProperty("picture").GetProperty("key").GetString());
        var (body, authorization, _) = host.Chat.Requests[before];
        Assert.Equal("Bearer secret", authorization);
        Assert.Equal("fake-writer", (string?)body["model"]);
        var said = (string?)body["messages"]![1]!["content"];
        Assert.Contains("dog", said);
        Assert.Contains("on the water instead", said);

        // The same question is not asked twice, so that further pages rank alike.
        await SearchAsync("dog", "on the water instead");
        Assert.Equal(before + 1, host.Chat.Requests.Count);
    }

    [Fact]
    public async Task Without_a_usable_answer_the_template_merges()
    {
        FakeAnswer[] answers =
        [
            FakeChatServer.Status(HttpStatusCode.InternalServerError), FakeChatServer.Writes(""), FakeChatServer.Writes(new string('x', 5000)), FakeChatServer.Oversized(),
            (http, _) => http.Response.Body.WriteAsync("{\"choices\": []}"u8.ToArray()).AsTask(), (http, _) => http.Response.Body.WriteAsync("not json"u8.ToArray()).AsTask(),
        ];
        for (var i = 0; i < answers.Length; i++)
        {
            host.Chat.Then(answers[i]);
            var readAs = (await SearchAsync("cat", $"at night {i}")).GetProperty("readAs");
            Assert.Equal(($"at night {i}, cat", "template"), (readAs.GetProperty("merged").GetString(), readAs.GetProperty("mergedBy").GetString()));
        }
    }

    [Fact]
    public async Task A_model_that_refuses_settings_is_asked_again_without_them()
    {
        host.Chat.Then(FakeChatServer.Status(HttpStatusCode.BadRequest), FakeChatServer.Knows(r => r["temperature"] is null && r["max_tokens"] is null, "no", FakeChatServer.Writes("A night.")));
        Assert.Equal("A night.", (await SearchAsync("cat", "dark")).GetProperty("readAs").GetProperty("merged").GetString());
    }

    [Fact]
    public async Task A_late_model_is_not_waited_for_and_then_left_alone()
    {
        await using var chat = await FakeChatServer.StartAsync();
        chat.Otherwise = FakeChatServer.SlowDrip();
        using var merge = new TextMerge(
            Options.Create(new MergeOptions { BaseAddress = chat.BaseAddress, Model = "slow", Seconds = 0.3, PauseSeconds = 600 }), TimeProvider.System, NullLogger<TextMerge>.Instance);
        Assert.Equal(new MergedText("red, a car", "template"), await merge.MergeAsync("red", "a car", default));
        Assert.Equal("template", (await merge.MergeAsync("blue", "a car", default)).By);
        Assert.Single(chat.Requests);
    }

    [Fact]
    public async Task Template_and_vector_ask_no_model()
    {
        var before = host.Chat.Requests.Count;
        var readAs = (await SearchAsync("cat", "night", "template")).GetProperty("readAs");
        Assert.Equal(("night, cat", "template"), (readAs.GetProperty("merged").GetString(), readAs.GetProperty("mergedBy").GetString()));
        Assert.False((await SearchAsync("cat", "night", "vector")).GetProperty("readAs").TryGetProperty("merged", out _));
        Assert.Equal(before, host.Chat.Requests.Count);
    }

    private async Task<JsonElement> SearchAsync(string picture, string text, string compose = "llm")
    {
        var id = (await ReadAsync(await host.Http.GetAsync($"/api/search?q={picture}&k=1"))).GetProperty("hits")[0].GetProperty("id").GetString();
        return await ReadAsync(await host.Http.PostAsJsonAsync("/api/search", new { image = id, text, compose, mode = "dense", weights = new { text = 1, image = 0.2 } }));
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
            return await response.Content.ReadFromJsonAsync<JsonElement>();
        }
    }
}
