using System.Net.Http.Json;
using System.Text.Json;
using ImageSearch.Query.Search;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace ImageSearch.Query.Tests;

/// <summary>Forty pictures, and a first list of ten: pages go beyond it.</summary>
public sealed class PagingHost : QueryHost
{
    internal override void Configure(IWebHostBuilder web)
    {
        web.UseSetting("Search:Depth", "10");
        web.UseSetting("Search:DeepDepth", "1000");
    }

    internal override async Task SeedAsync()
    {
        for (var i = 0; i < 40; i++)
        {
            await Collection.AddAsync($"many/{i:00}.jpg", string.Join(' ', Enumerable.Repeat("dog", 1 + (i % 9)).Append("beach")), ["dog"]);
        }
    }
}

public sealed class PagingTests(PagingHost host) : IClassFixture<PagingHost>
{
    [Theory]
    [InlineData("hybrid", false)]
    [InlineData("dense", false)]
    [InlineData("hybrid", true)]
    public async Task Pages_neither_overlap_nor_leave_gaps_while_pictures_arrive(string mode, bool otherReplica)
    {
        List<string> seen = [];
        var before = await host.Services.GetRequiredService<ImageSearch.Catalog.ImageReader>().LastAsync();
        string? cursor = null;
        do
        {
            using var response = await host.Http.PostAsJsonAsync("/api/search", new { text = "dog", mode, k = 7, cursor });
            var page = await response.Content.ReadFromJsonAsync<JsonElement>();
            seen.AddRange(page.GetProperty("hits").EnumerateArray().Select(h => h.GetProperty("id").GetString()!));
            cursor = page.TryGetProperty("cursor", out var next) ? next.GetString() : null;

            // The best match of all arrives between the pages.
            await host.Collection.AddAsync($"late/{Guid.NewGuid():N}.jpg", "dog", ["dog"]);
            if (otherReplica)
            {
                host.Services.GetRequiredService<RankingCache>().Clear();
            }
        }
        while (cursor is not null && seen.Count < 500);
        Assert.Equal(before, seen.Count);
        Assert.Equal(seen.Count, seen.Distinct().Count());
    }
}
