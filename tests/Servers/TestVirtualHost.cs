using System.Net.Http.Headers;
using System.Text;

namespace ImageSearch.Tests.Servers;

/// <summary>One virtual host of the test broker, made and deleted through the management API.</summary>
public sealed class TestVirtualHost : IAsyncDisposable
{
    private readonly HttpClient _http;

    private TestVirtualHost(Uri broker, Uri management, string name)
    {
        Name = name;
        Uri = new UriBuilder(broker) { Path = name }.Uri;
        ManagementUri = management;
        _http = new HttpClient { BaseAddress = new UriBuilder(management) { UserName = "", Password = "" }.Uri };
        var user = Uri.UnescapeDataString(broker.UserInfo);
        _http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(user)));
    }

    public string Name { get; }

    /// <summary><c>amqp://user:password@host:port/virtual-host</c></summary>
    public Uri Uri { get; }

    /// <summary><c>http://user:password@host:port</c></summary>
    public Uri ManagementUri { get; }

    internal static async Task<TestVirtualHost> CreateAsync(Uri broker, Uri management)
    {
        var host = new TestVirtualHost(broker, management, TestServers.FreshName());
        using var response = await host._http.PutAsync($"/api/vhosts/{host.Name}", new StringContent("{}", Encoding.UTF8, "application/json"));
        response.EnsureSuccessStatusCode();
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        using var response = await _http.DeleteAsync($"/api/vhosts/{Name}");
        response.EnsureSuccessStatusCode();
        _http.Dispose();
    }
}
