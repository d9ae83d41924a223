using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using ImageSearch.Tests.Servers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>A service with what all services have, asked over a real port.</summary>
public sealed class HardenedService : IAsyncLifetime
{
    private TestDatabase database = null!;
    private NpgsqlDataSource db = null!;
    private WebApplication service = null!;
    private string root = "";

    public HttpClient Http { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
        root = Directory.CreateTempSubdirectory("page").FullName;
        Directory.CreateDirectory(Path.Combine(root, "wwwroot"));
        await File.WriteAllTextAsync(Path.Combine(root, "wwwroot", "index.html"), "page");
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = root });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Urls"] = "http://127.0.0.1:0",
            ["Postgres:ConnectionString"] = database.ConnectionString,
            ["RabbitMq:Uri"] = "amqp://unused",
            ["ObjectStore:Endpoint"] = "http://127.0.0.1:9",
            ["ObjectStore:AccessKey"] = "unused",
            ["ObjectStore:SecretKey"] = "unused",
            ["Security:RequireKeys"] = "always",
        });
        builder.AddImageSearch("test").AddApiKeys(Scopes.Search);
        service = builder.Build();
        service.UseHttpHardening();
        service.UseErrorAnswers();
        service.UseApiKeys(Scopes.Search);
        service.UseDefaultFiles();
        service.UseStaticFiles();
        service.MapHealth();
        service.MapPost("/api/echo", (EchoRequest request) => request.Text?.Length);
        service.MapPost("/api/large", async (HttpContext context) =>
        {
            context.AllowBody(4 << 20);
            await context.Request.Body.CopyToAsync(Stream.Null);
        });
        service.MapGet("/api/broken", new Func<string>(() => throw new InvalidOperationException("secret detail")));
        service.MapGet("/elsewhere", () => "not under /api");
        await service.StartAsync();
        var (_, secret) = await new ApiKeyCatalog(db).CreateAsync("test", ["search"]);
        // By default a body goes off after a second without an answer, which a busy machine may take.
        Http = new(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromSeconds(30) }) { BaseAddress = new Uri(service.Urls.First()) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await service.DisposeAsync();
        await db.DisposeAsync();
        await database.DisposeAsync();
        Directory.Delete(root, recursive: true);
    }

    internal sealed record EchoRequest(string? Text);
}

public sealed class HttpHardeningTests(HardenedService service) : IClassFixture<HardenedService>
{
    private readonly HttpClient http = service.Http;

    [Theory]
    [InlineData("/", 200)]
    [InlineData("/index.html", 200)]
    [InlineData("/health/live", 200)]
    [InlineData("/elsewhere", 200)]
    [InlineData("/api/unknown", 404)]
    [InlineData("/api/broken", 500)]
    public async Task Every_answer_keeps_foreign_scripts_and_frames_away(string path, int status)
    {
        using var response = await http.GetAsync(path);
        Assert.Equal(status, (int)response.StatusCode);
        AssertHeaders(response);
    }

    [Theory]
    [InlineData("/", 200)]
    [InlineData("/index.html", 200)]
    [InlineData("/health/live", 200)]
    [InlineData("/elsewhere", 401)]
    [InlineData("/api/broken", 401)]
    [InlineData("/API/broken", 401)]
    [InlineData("//api/broken", 401)]
    [InlineData("/api/%2e%2e/index.html", 200)]
    [InlineData("/unknown", 401)]
    public async Task Without_a_key_only_health_and_the_page_are_open(string path, int status)
    {
        using var anonymous = new HttpClient { BaseAddress = http.BaseAddress };
        using var response = await anonymous.GetAsync(new Uri(http.BaseAddress + path[1..], new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        Assert.Equal(status, (int)response.StatusCode);
        AssertHeaders(response);
        using var posted = await anonymous.PostAsync("/index.html", null);
        Assert.Equal(HttpStatusCode.Unauthorized, posted.StatusCode);
    }

    [Fact]
    public async Task A_request_keeps_its_id_and_an_error_names_it_without_its_details()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/broken") { Headers = { { "X-Request-Id", "caller-7" } } };
        using var response = await http.SendAsync(request);
        Assert.Equal("caller-7", Assert.Single(response.Headers.GetValues("X-Request-Id")));
        var text = await response.Content.ReadAsStringAsync();
        Assert.Equal("caller-7", JsonNode.Parse(text)!["requestId"]!.ToString());
        Assert.DoesNotContain("secret detail", text);
    }

    [Theory]
    [InlineData("two words")]
    [InlineData("<script>")]
    [InlineData("")]
    public async Task An_id_that_is_not_plain_is_replaced(string sent)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("X-Request-Id", sent);
        using var response = await http.SendAsync(request);
        Assert.Matches("^[0-9a-zA-Z:-]{8,}$", Assert.Single(response.Headers.GetValues("X-Request-Id")));
    }

    [Fact]
    public async Task A_body_over_a_megabyte_is_refused_where_the_endpoint_does_not_ask_for_more()
    {
        Assert.Equal(HttpStatusCode.OK, await PostAsync("/api/echo", 500_000));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await PostAsync("/api/echo", 1_100_000));
        Assert.Equal(HttpStatusCode.OK, await PostAsync("/api/large", 3 << 20));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await PostAsync("/api/large", 5 << 20));
    }

    private async Task<HttpStatusCode> PostAsync(string path, int length)
    {
        // The body waits for the service's word and says its length beforehand: one that was on its way when it is refused would meet a closed connection.
        var body = JsonSerializer.Serialize(new { text = new string('x', length) });
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json"), Headers = { ExpectContinue = true } };
        using var response = await http.SendAsync(request);
        return response.StatusCode;
    }

    [Fact]
    public async Task Another_origin_is_not_told_that_it_may_read()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, "/api/echo");
        request.Headers.Add("Origin", "https://elsewhere.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        using var response = await http.SendAsync(request);
        Assert.False(response.IsSuccessStatusCode);
        Assert.DoesNotContain(response.Headers, h => h.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_client_that_stops_sending_is_cut_off()
    {
        using var client = new TcpClient();
        await client.ConnectAsync(http.BaseAddress!.Host, http.BaseAddress.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /api/large HTTP/1.1\r\nHost: x\r\n{http.DefaultRequestHeaders}Content-Length: 1000\r\n\r\nx"));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        using var reader = new StreamReader(stream);
        Assert.Contains("408", await reader.ReadLineAsync(patience.Token));
        await reader.ReadToEndAsync(patience.Token);
    }

    private static void AssertHeaders(HttpResponseMessage response)
    {
        string Header(string name) => Assert.Single(response.Headers.GetValues(name));
        Assert.Contains("default-src 'none'", Header("Content-Security-Policy"));
        Assert.Contains("frame-ancestors 'none'", Header("Content-Security-Policy"));
        Assert.DoesNotContain("unsafe", Header("Content-Security-Policy"));
        Assert.Equal("nosniff", Header("X-Content-Type-Options"));
        Assert.Equal("no-referrer", Header("Referrer-Policy"));
        Assert.Contains("geolocation=()", Header("Permissions-Policy"));
        Assert.NotEmpty(Header("X-Request-Id"));
        Assert.False(response.Headers.Contains("Server"));
    }
}
