using ImageSearch.Imaging;
using ImageSearch.Tests.Browser;
using Microsoft.Playwright;

namespace ImageSearch.Query.Tests;

/// <summary>A real browser on the real page.</summary>
public sealed class PageHost : IAsyncLifetime
{
    private TestBrowser browser = null!;

    public SeededHost Seeded { get; } = new();

    public QueryHost Empty { get; } = new();

    public async Task InitializeAsync()
    {
        await Seeded.InitializeAsync();
        await Empty.InitializeAsync();
        browser = await TestBrowser.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await browser.DisposeAsync();
        await Seeded.DisposeAsync();
        await Empty.DisposeAsync();
    }

    public Task<WatchedPage> OpenAsync(QueryHost host, string path = "/", int width = 1280, int height = 860, ColorScheme scheme = ColorScheme.Light) =>
        browser.OpenAsync(host.Address, path, width, height, scheme, seconds: 20);
}

public sealed class PageTests(PageHost host) : IClassFixture<PageHost>
{
    [Fact]
    public async Task Words_find_pictures_and_the_panel_says_why()
    {
        await using var watched = await host.OpenAsync(host.Seeded);
        var page = watched.Page;
        await page.GetByText("Newest pictures").WaitForAsync();
        Assert.Equal(12, await page.Locator(".hit").CountAsync());

        await page.GetByLabel("Words to look for").FillAsync("cat");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".hit .relevance").First.WaitForAsync();
        Assert.StartsWith("cat-", await page.Locator(".hit .name").First.InnerTextAsync());
        await page.Locator("#summary").GetByText("good match").WaitForAsync();

        var explained = 0;
        page.Request += (_, request) => explained += request.Url.Contains("/explanation?", StringComparison.Ordinal) ? 1 : 0;
        await page.Locator(".hit").First.ClickAsync();
        var panel = page.Locator("#panel");
        await panel.GetByText("“cat” in").WaitForAsync();
        Assert.Equal(1, explained);
        await panel.GetByText("standard deviations").WaitForAsync();
        await panel.GetByText("times smaller").WaitForAsync();
        await panel.GetByRole(AriaRole.Button, new() { Name = "Heat map" }).ClickAsync();
        await page.WaitForFunctionAsync("() => document.querySelector('#panel .heat')?.naturalWidth > 0");
        await page.Keyboard.PressAsync("Escape");
        await panel.WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }

    [Fact]
    public async Task Chips_require_exclude_and_turn()
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=dog%20-snow");
        var page = watched.Page;
        var chip = page.Locator(".chip");
        await chip.WaitForAsync();
        Assert.Contains("not", await chip.GetAttributeAsync("class"));
        await page.Locator(".hit .relevance").First.WaitForAsync();
        Assert.DoesNotContain(await page.Locator(".hit .name").AllInnerTextsAsync(), n => n.StartsWith("snow", StringComparison.Ordinal));

        await chip.GetByRole(AriaRole.Button).First.ClickAsync();
        await page.WaitForFunctionAsync("() => [...document.querySelectorAll('.hit .name')].every(n => n.textContent.startsWith('snow')) && document.querySelectorAll('.hit').length === 2");
        Assert.Contains("%2Bsnow", page.Url);
        await page.GoBackAsync();
        await page.WaitForFunctionAsync("() => document.querySelectorAll('.hit').length > 2");
    }

    [Fact]
    public async Task The_address_holds_the_filters_too()
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=cat&mode=lexical&orientation=nonsense");
        var page = watched.Page;
        var mode = page.Locator("#mode");
        await page.Locator(".hit .relevance").First.WaitForAsync();
        Assert.Equal(("lexical", ""), (await mode.InputValueAsync(), await page.Locator("#orientation").InputValueAsync()));

        // Filters that are in force are not folded away.
        var group = page.GetByLabel("Group near-duplicates");
        await group.CheckAsync();
        await page.WaitForURLAsync("**/?q=cat&mode=lexical&group=true");
        await page.GoBackAsync();
        await page.WaitForFunctionAsync("() => !document.getElementById('group').checked");
        Assert.Equal("lexical", await mode.InputValueAsync());
        await page.Locator(".brand").ClickAsync();
        await page.GetByText("Newest pictures").WaitForAsync();
        Assert.Equal("hybrid", await mode.InputValueAsync());
    }

    [Fact]
    public async Task Tags_narrow_by_one_click()
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=boat");
        var page = watched.Page;
        await page.Locator("#tags").GetByRole(AriaRole.Button, new() { Name = "night" }).ClickAsync();
        await page.WaitForFunctionAsync("() => document.querySelectorAll('.hit').length === 1");
        Assert.Equal("night.jpg", await page.Locator(".hit .name").InnerTextAsync());
        Assert.Equal("+ tag:night", await page.Locator(".chip button").First.InnerTextAsync());
    }

    [Fact]
    public async Task A_picture_and_words_together_have_a_slider()
    {
        await using var watched = await host.OpenAsync(host.Seeded);
        var page = watched.Page;
        var file = ImageFiles.Encode(Collection.Plain(300, 200, (220, 20, 20)), ImageFormat.Png);
        await page.Locator("#file").SetInputFilesAsync(new FilePayload { Name = "mine.png", MimeType = "image/png", Buffer = file });
        await page.Locator("#picture").WaitForAsync();
        Assert.False(await page.Locator("#balance").IsVisibleAsync());
        await page.GetByLabel("Words to look for").FillAsync("car");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("#balance").WaitForAsync();
        await page.Locator("#weight").FillAsync("90");
        await page.WaitForFunctionAsync("() => document.querySelector('.hit .name')?.textContent.startsWith('car-')");
        await page.GetByLabel("Remove the query picture").ClickAsync();
        await page.Locator("#balance").WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }

    [Fact]
    public async Task What_is_not_there_is_said_plainly()
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=zebra");
        await watched.Page.GetByText("No good match").First.WaitForAsync();
        await watched.Page.Locator(".hit.weak").First.WaitForAsync();
    }

    [Fact]
    public async Task The_page_works_with_the_keyboard_alone()
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=dog");
        var page = watched.Page;
        await page.Locator(".hit .relevance").First.WaitForAsync();
        await page.Locator(".hit").First.FocusAsync();
        await page.Keyboard.PressAsync("ArrowRight");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("#panel h2").WaitForAsync();
        var second = await page.Locator(".hit .name").Nth(1).InnerTextAsync();
        Assert.Equal(second, await page.Locator("#panel h2").InnerTextAsync());
        await page.Keyboard.PressAsync("ArrowRight");
        var third = await page.Locator(".hit .name").Nth(2).InnerTextAsync();
        await page.WaitForFunctionAsync("name => document.querySelector('#panel h2').textContent === name", third);
        await page.Keyboard.PressAsync("Escape");
        await page.Keyboard.PressAsync("/");
        Assert.Equal("words", await page.EvaluateAsync<string>("document.activeElement.id"));
    }

    [Theory]
    [InlineData(360, ColorScheme.Dark)]
    [InlineData(1280, ColorScheme.Dark)]
    [InlineData(360, ColorScheme.Light)]
    public async Task Nothing_sticks_out_on_any_screen(int width, ColorScheme scheme)
    {
        await using var watched = await host.OpenAsync(host.Seeded, "/?q=dog%20-people%20%2Bbeach", width, scheme: scheme);
        var page = watched.Page;
        await page.Locator(".hit .relevance").First.WaitForAsync();
        Assert.True(await page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= width);
        var ground = await page.EvaluateAsync<string>("getComputedStyle(document.documentElement).backgroundColor");
        Assert.Equal(scheme == ColorScheme.Dark ? "rgb(15, 19, 26)" : "rgb(246, 247, 249)", ground);
    }

    [Fact]
    public async Task An_empty_collection_says_how_to_begin()
    {
        await using var watched = await host.OpenAsync(host.Empty);
        await watched.Page.GetByRole(AriaRole.Heading, new() { Name = "No pictures yet" }).WaitForAsync();
    }
}
