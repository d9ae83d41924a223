using System.Collections.Concurrent;
using ImageSearch.Tests.Servers;
using Microsoft.Playwright;

namespace ImageSearch.Operator.Tests;

/// <summary>A real browser on the page of an operator that has its own database, broker and buckets.</summary>
public sealed class OperatorPage : IAsyncLifetime
{
    private IPlaywright playwright = null!;
    private IBrowser browser = null!;

    public OperatorFixture Operator { get; } = new();

    public async Task InitializeAsync()
    {
        await Operator.InitializeAsync();
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = TestServers.Chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
        });
    }

    public async Task DisposeAsync()
    {
        await browser.DisposeAsync();
        playwright.Dispose();
        await Operator.DisposeAsync();
    }

    public async Task<WatchedPage> OpenAsync(string path, int width = 1280, ColorScheme scheme = ColorScheme.Light)
    {
        var context = await browser.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = 860 }, ColorScheme = scheme, BaseURL = Operator.Http.BaseAddress!.ToString() });
        context.SetDefaultTimeout(30_000);
        var watched = new WatchedPage(await context.NewPageAsync(), Operator.Http.BaseAddress);
        await watched.Page.GotoAsync(path);
        return watched;
    }
}

/// <summary>A page on which an error in the console (a violation of the content security policy is one) or a request to another host fails the test that disposes it.</summary>
public sealed class WatchedPage : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> faults = [];

    public WatchedPage(IPage page, Uri host)
    {
        Page = page;
        page.PageError += (_, error) => faults.Enqueue(error);
        page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                faults.Enqueue(message.Text);
            }
        };
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: "http" or "https" } url && url.Authority != host.Authority)
            {
                faults.Enqueue($"asks {url}");
            }
        };
    }

    public IPage Page { get; }

    /// <summary>Answers the page's own question with yes.</summary>
    public async Task AgreeAsync(string words)
    {
        var dialog = Page.Locator("#ask");
        await dialog.GetByText(words).WaitForAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Yes" }).ClickAsync();
        await dialog.WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }

    public async ValueTask DisposeAsync()
    {
        await Page.Context.CloseAsync();
        Assert.Empty(faults);
    }
}
