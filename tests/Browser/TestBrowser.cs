using ImageSearch.Tests.Servers;
using Microsoft.Playwright;

namespace ImageSearch.Tests.Browser;

/// <summary>A real Chromium without a window. The projects that test pages compile these files themselves, so that no other test needs Playwright.</summary>
public sealed class TestBrowser : IAsyncDisposable
{
    private readonly IPlaywright playwright;

    private TestBrowser(IPlaywright playwright, IBrowser chromium) => (this.playwright, Chromium) = (playwright, chromium);

    public IBrowser Chromium { get; }

    public static async Task<TestBrowser> StartAsync()
    {
        var playwright = await Playwright.CreateAsync();
        return new(playwright, await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = TestServers.Chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
        }));
    }

    /// <param name="host">Where the page comes from; it may ask nobody else.</param>
    /// <param name="seconds">Longest wait for anything on the page.</param>
    public async Task<WatchedPage> OpenAsync(Uri host, string path, int width, int height, ColorScheme scheme, int seconds)
    {
        var context = await Chromium.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = height }, ColorScheme = scheme, BaseURL = host.ToString() });
        context.SetDefaultTimeout(seconds * 1000);
        var watched = new WatchedPage(await context.NewPageAsync(), host);
        await watched.Page.GotoAsync(path);
        return watched;
    }

    public async ValueTask DisposeAsync()
    {
        await Chromium.DisposeAsync();
        playwright.Dispose();
    }
}
