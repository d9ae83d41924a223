using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace ImageSearch.Tests.Browser;

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

    public async ValueTask DisposeAsync()
    {
        await Page.Context.CloseAsync();
        Assert.Empty(faults);
    }
}
