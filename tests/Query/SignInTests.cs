using System.Net;
using ImageSearch.Catalog;
using ImageSearch.Tests.Browser;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Playwright;

namespace ImageSearch.Query.Tests;

/// <summary>A query service that asks for keys, with one picture.</summary>
public sealed class GuardedHost : QueryHost
{
    internal override void Configure(IWebHostBuilder web) => web.UseSetting("Security:RequireKeys", "always");

    internal override Task SeedAsync() => Collection.AddAsync("dog.jpg", "dog", ["dog"]);
}

public sealed class SignInTests(GuardedHost host) : IClassFixture<GuardedHost>
{
    [Theory]
    [InlineData("/api/search?q=dog")]
    [InlineData("/api/images")]
    [InlineData("/api/status")]
    [InlineData("/openapi/v1.json")]
    public async Task Without_a_key_nothing_of_the_collection_is_told(string path)
    {
        using var response = await host.Http.GetAsync(path);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task The_page_asks_for_the_key_and_goes_on_where_it_was()
    {
        var (_, secret) = await new ApiKeyCatalog(host.Database).CreateAsync("page", ["search"]);
        await using var browser = await TestBrowser.StartAsync();
        var page = await browser.Chromium.NewPageAsync(new() { BaseURL = host.Address.ToString() });
        page.SetDefaultTimeout(30_000);
        List<string> faults = [];
        page.PageError += (_, error) => faults.Add(error);
        await page.GotoAsync("/?q=dog");

        var dialog = page.GetByRole(AriaRole.Dialog);
        await dialog.WaitForAsync();
        Assert.Equal("API key", await page.EvaluateAsync<string>("document.activeElement.ariaLabel"));
        await page.Keyboard.TypeAsync("isk_wrongkey_0");
        await page.Keyboard.PressAsync("Enter");
        await dialog.GetByText("unknown, revoked").WaitForAsync();
        await page.Keyboard.TypeAsync(secret);
        await page.Keyboard.PressAsync("Enter");

        await page.Locator(".hit .relevance").First.WaitForAsync();
        await page.WaitForFunctionAsync("() => document.querySelector('.hit img')?.naturalWidth > 0");
        Assert.False(await dialog.IsVisibleAsync());
        Assert.DoesNotContain("isk_", await page.EvaluateAsync<string>("document.cookie + JSON.stringify(localStorage)"));
        Assert.Empty(faults);
    }

    [Fact]
    public async Task Escape_closes_the_question_and_the_page_says_what_is_missing()
    {
        await using var browser = await TestBrowser.StartAsync();
        var page = await browser.Chromium.NewPageAsync(new() { BaseURL = host.Address.ToString() });
        page.SetDefaultTimeout(30_000);
        await page.GotoAsync("/?q=dog");
        await page.GetByRole(AriaRole.Dialog).WaitForAsync();
        await page.Keyboard.PressAsync("Escape");
        await page.Locator("#notice").GetByText("needs an API key").WaitForAsync();
    }
}
