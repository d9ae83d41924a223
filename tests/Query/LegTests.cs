using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Catalog;
using Microsoft.AspNetCore.Hosting;
using Npgsql;

namespace ImageSearch.Query.Tests;

public sealed class ImpatientHost : QueryHost
{
    internal override void Configure(IWebHostBuilder web) => web.UseSetting("Search:LegBudgetMilliseconds", "5000");

    internal override async Task SeedAsync()
    {
        await Collection.AddAsync("a/dog.jpg", "dog", ["dog"]);
        await Collection.AddAsync("a/cat.jpg", "cat", ["cat"]);
    }
}

public sealed class LegTests(ImpatientHost host) : IClassFixture<ImpatientHost>
{
    [Theory]
    [InlineData("lexical_documents", "lexical")]
    [InlineData("embeddings", "dense")]
    public async Task When_one_leg_is_late_the_other_answers_and_the_response_says_so(string table, string late)
    {
        await SearchAsync("dog");
        await using (var connection = await host.Database.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var hold = new NpgsqlCommand($"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", connection, transaction);
            await hold.ExecuteNonQueryAsync();
            var answer = await SearchAsync("dog");
            Assert.True(answer.GetProperty("partial").GetBoolean());
            Assert.Equal("late", answer.GetProperty("legs").GetProperty(late).GetProperty("state").GetString());
            Assert.Equal("a/dog.jpg", answer.GetProperty("hits")[0].GetProperty("picture").GetProperty("key").GetString());
        }

        Assert.False((await SearchAsync("dog")).GetProperty("partial").GetBoolean());
    }

    [Fact]
    public async Task No_query_fails_while_the_model_is_switched_and_switched_back()
    {
        var catalog = new EmbeddingCatalog(host.Database);
        var second = await catalog.RegisterModelAsync("words/2", WordModel.Dimensions, null);
        await using (var copy = host.Database.CreateCommand($"INSERT INTO embeddings (model_id, image_id, vector) SELECT {second.Id}, image_id, vector FROM embeddings WHERE model_id <> {second.Id}"))
        {
            await copy.ExecuteNonQueryAsync();
        }

        using var stop = new CancellationTokenSource();
        HashSet<string> answeredBy = [];
        var asking = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var answer = await SearchAsync("cat");
                Assert.False(answer.GetProperty("partial").GetBoolean(), answer.GetProperty("legs").ToString());
                Assert.Equal("a/cat.jpg", answer.GetProperty("hits")[0].GetProperty("picture").GetProperty("key").GetString());
                lock (answeredBy)
                {
                    answeredBy.Add(answer.GetProperty("model").GetString()!);
                }
            }
        })).ToArray();
        foreach (var active in (string[])["words/2", WordModel.Name])
        {
            await ActivateAsync(active);
            while ((await SearchAsync("cat")).GetProperty("model").GetString() != active)
            {
                await Task.Delay(50);
            }
        }

        await stop.CancelAsync();
        await Task.WhenAll(asking);
        Assert.Equal([WordModel.Name, "words/2"], answeredBy.Order());
    }

    private async Task ActivateAsync(string name)
    {
        await using var batch = host.Database.CreateBatch();
        batch.BatchCommands.Add(new("UPDATE embedding_models SET state = 'standby' WHERE state = 'active'"));
        batch.BatchCommands.Add(new($"UPDATE embedding_models SET state = 'active', activated_at = now() WHERE name = '{name}'"));
        await batch.ExecuteNonQueryAsync();
    }

    private async Task<JsonElement> SearchAsync(string text)
    {
        using var response = await host.Http.PostAsJsonAsync("/api/search", new { text });
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }
}
