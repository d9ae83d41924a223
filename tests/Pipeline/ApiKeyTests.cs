using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using ImageSearch.Tests.Servers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>A small service behind the gate, keys in a real database.</summary>
public sealed class ApiKeyTests : IAsyncLifetime
{
    private TestDatabase database = null!;
    private NpgsqlDataSource db = null!;

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
    }

    public async Task DisposeAsync()
    {
        await db.DisposeAsync();
        await database.DisposeAsync();
    }

    [Fact]
    public async Task On_loopback_no_key_is_needed()
    {
        await using var service = await StartAsync(new());
        Assert.Equal(HttpStatusCode.OK, (await Client(service).GetAsync("/api/thing")).StatusCode);
    }

    [Fact]
    public async Task With_keys_needed_only_a_key_with_the_scope_comes_in()
    {
        var keys = new ApiKeyCatalog(db);
        var (_, search) = await keys.CreateAsync("reader", ["search"]);
        var (_, upload) = await keys.CreateAsync("writer", ["upload"]);
        await using var service = await StartAsync(new() { ["Security:RequireKeys"] = "always" });

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, null));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, "isk_abcdefgh_" + new string('0', 64)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, search[..^1] + (search[^1] == '0' ? '1' : '0')));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(service, upload));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(service, search));
        Assert.Equal(HttpStatusCode.OK, (await Client(service).GetAsync("/health/live")).StatusCode);
        Assert.All(await keys.ListAsync(), k => Assert.Equal(k.Name == "reader" || k.Name == "writer", k.LastUsedAt is not null));
    }

    [Fact]
    public async Task A_revoked_key_is_refused()
    {
        var keys = new ApiKeyCatalog(db);
        var (key, secret) = await keys.CreateAsync("gone", ["search"]);
        Assert.True(await keys.RevokeAsync(key.Id));
        Assert.False(await keys.RevokeAsync(key.Id));
        await using var service = await StartAsync(new() { ["Security:RequireKeys"] = "always" });
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, secret));
    }

    [Fact]
    public async Task A_page_signs_in_with_a_cookie_that_scripts_cannot_read()
    {
        var (_, secret) = await new ApiKeyCatalog(db).CreateAsync("page", ["search"]);
        await using var service = await StartAsync(new() { ["Security:RequireKeys"] = "always" });
        using var http = Client(service);
        using var refused = await http.PostAsJsonAsync("/api/session", new { key = "isk_no" });
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);

        using var session = await http.PostAsJsonAsync("/api/session", new { key = secret });
        Assert.Equal(HttpStatusCode.NoContent, session.StatusCode);
        var cookie = Assert.Single(session.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie);
        Assert.Contains("samesite=strict", cookie);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/api/thing")).StatusCode);
    }

    [Fact]
    public async Task Beyond_loopback_a_service_without_keys_does_not_start_and_says_why()
    {
        var e = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(new(), "http://0.0.0.0:0"));
        Assert.Contains("imagesearch keys create", e.Message);
    }

    [Fact]
    public async Task Beyond_loopback_with_a_key_the_service_starts_and_asks_for_it()
    {
        var (_, secret) = await new ApiKeyCatalog(db).CreateAsync("remote", ["search"]);
        await using var service = await StartAsync(new(), "http://0.0.0.0:0");
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, null));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(service, secret));
    }

    [Fact]
    public async Task Too_many_requests_are_refused_with_a_time_to_wait()
    {
        await using var service = await StartAsync(new() { ["Security:RequestsPerMinute"] = "3" });
        using var http = Client(service);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/api/thing")).StatusCode);
        }

        using var refused = await http.GetAsync("/api/thing");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
    }

    [Fact]
    public async Task Guessing_keys_is_slowed_down_for_the_address_that_guesses_and_for_nobody_else()
    {
        var (_, good) = await new ApiKeyCatalog(db).CreateAsync("reader", ["search"]);
        var (_, other) = await new ApiKeyCatalog(db).CreateAsync("not in use", ["search"]);
        await using var service = await StartAsync(new() { ["Security:RequireKeys"] = "always", ["Security:WrongKeysPerMinute"] = "3" });
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(service, good));
        string[] wrong = ["isk_abcdefgh_" + new string('0', 64), good[..^1] + (good[^1] == '0' ? '1' : '0'), "no key at all"];
        foreach (var guess in wrong)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, guess));
        }

        // The limit comes back at three a minute: a guess may slip in on a slow machine, four in a row cannot.
        using var http = Client(service);
        HttpResponseMessage refused;
        var tries = 0;
        do
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", wrong[0]);
            refused = await http.GetAsync("/api/thing");
        }
        while (refused.StatusCode == HttpStatusCode.Unauthorized && ++tries < 4);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Contains("wrong API keys", await refused.Content.ReadAsStringAsync());
        using var session = await http.PostAsJsonAsync("/api/session", new { key = wrong[0] });
        Assert.Equal(HttpStatusCode.TooManyRequests, session.StatusCode);

        // A request without a key costs nothing and is told what it needs; a key in use goes on; another address starts afresh.
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(service, null));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(service, good));
        using var elsewhere = Client(service, from: "127.0.0.2");
        elsewhere.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", other);
        Assert.Equal(HttpStatusCode.OK, (await elsewhere.GetAsync("/api/thing")).StatusCode);
    }

    [Theory]
    [InlineData("192.0.2.7", "::ffff:192.0.2.7", true)]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("192.0.2.7", "192.0.2.8", false)]
    public void Addresses_of_one_client_count_together(string one, string other, bool same) =>
        Assert.Equal(same, KeyCache.Network(IPAddress.Parse(one)) == KeyCache.Network(IPAddress.Parse(other)));

    [Theory]
    [InlineData("http://127.0.0.1:80", true)]
    [InlineData("http://[::1]:80", true)]
    [InlineData("http://localhost:80", true)]
    [InlineData("http://0.0.0.0:80", false)]
    [InlineData("http://*:80", false)]
    [InlineData("http://[::]:80", false)]
    [InlineData("http://192.0.2.7:80", false)]
    public void Loopback_is_told_from_the_rest(string address, bool loopback) => Assert.Equal(loopback, ApiKeyGate.IsLoopback(address));

    private async Task<WebApplication> StartAsync(Dictionary<string, string?> settings, string urls = "http://127.0.0.1:0")
    {
        var builder = WebApplication.CreateBuilder();
        settings["Urls"] = urls;
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddSingleton(db);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddHealthChecks();
        builder.AddApiKeys(Scopes.Search);
        var app = builder.Build();
        app.MapHealth();
        app.UseApiKeys(Scopes.Search);
        app.MapGet("/api/thing", () => "thing");
        try
        {
            await app.StartAsync();
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    private static HttpClient Client(WebApplication service, string from = "127.0.0.1") => new(new SocketsHttpHandler
    {
        ConnectCallback = async (context, ct) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
            await socket.ConnectAsync(context.DnsEndPoint, ct);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    { BaseAddress = new Uri(service.Urls.First().Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)) };

    private static async Task<HttpStatusCode> StatusAsync(WebApplication service, string? key)
    {
        using var http = Client(service);
        if (key is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        using var response = await http.GetAsync("/api/thing");
        return response.StatusCode;
    }
}
