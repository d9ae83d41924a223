using ImageSearch.Tests.Browser;
using Microsoft.Playwright;

namespace ImageSearch.Operator.Tests;

/// <summary>A real browser on the page of an operator that has its own database, broker and buckets.</summary>
public sealed class OperatorPage : IAsyncLifetime
{
    private TestBrowser browser = null!;

    public OperatorFixture Operator { get; } = new();

    public async Task InitializeAsync()
    {
        await Operator.InitializeAsync();
        browser = await TestBrowser.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await browser.DisposeAsync();
        await Operator.DisposeAsync();
    }

    public Task<WatchedPage> OpenAsync(string path, int width = 1280, ColorScheme scheme = ColorScheme.Light) =>
        browser.OpenAsync(Operator.Http.BaseAddress!, path, width, 860, scheme, seconds: 30);
}

internal static class OperatorDialogs
{
    /// <summary>Answers the page's own question with yes.</summary>
    public static async Task AgreeAsync(this WatchedPage watched, string words)
    {
        var dialog = watched.Page.Locator("#ask");
        await dialog.GetByText(words).WaitForAsync();
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Yes" }).ClickAsync();
        await dialog.WaitForAsync(new() { State = WaitForSelectorState.Hidden });
    }
}
