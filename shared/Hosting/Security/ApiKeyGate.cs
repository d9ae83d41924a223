using System.Net;
using System.Threading.RateLimiting;
using ImageSearch.Catalog;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace ImageSearch.Hosting.Security;

/// <summary>
/// Lets a request in if the service listens on loopback only, or if it carries a key with the service's scope, as
/// <c>Authorization: Bearer KEY</c>, <c>X-Api-Key: KEY</c> or the cookie that <c>POST /api/session</c> sets for the pages. Open to everyone are health, the page
/// and its files; whatever else is mapped is guarded.
/// </summary>
public static class ApiKeyGate
{
    /// <summary>Registers settings, key lookup and rate limits.</summary>
    public static WebApplicationBuilder AddApiKeys(this WebApplicationBuilder builder, string scope)
    {
        builder.Services.AddSettings<SecurityOptions>(SecurityOptions.Section);
        builder.Services.AddSingleton<ApiKeyCatalog>();
        builder.Services.AddSingleton<KeyCache>();
        builder.Services.AddHostedService(p => new RefuseOpenStart(
            p.GetRequiredService<IConfiguration>(), p.GetRequiredService<IOptions<SecurityOptions>>(), p.GetRequiredService<ApiKeyCatalog>(), scope));
        builder.Services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.OnRejected = async (context, ct) =>
            {
                context.HttpContext.Response.Headers.RetryAfter = context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? $"{(int)Math.Ceiling(after.TotalSeconds)}" : "1";
                await Refuse(context.HttpContext, StatusCodes.Status429TooManyRequests, "Too many requests; slow down, or raise Security:RequestsPerMinute.");
            };
            limiter.GlobalLimiter = PartitionedRateLimiter.CreateChained(
                PartitionedRateLimiter.Create<HttpContext, string>(c => IsGuarded(c)
                    ? RateLimitPartition.GetTokenBucketLimiter(Caller(c), _ => PerMinute(c))
                    : RateLimitPartition.GetNoLimiter("")),
                PartitionedRateLimiter.Create<HttpContext, string>(c => IsGuarded(c)
                    ? RateLimitPartition.GetConcurrencyLimiter(Caller(c), _ => new() { PermitLimit = Options(c).ConcurrentRequests, QueueLimit = Options(c).ConcurrentRequests * 8 })
                    : RateLimitPartition.GetNoLimiter("")));
        });
        return builder;
    }

    /// <summary>Guards everything but health, pages and their files; to be called before the endpoints are mapped.</summary>
    public static WebApplication UseApiKeys(this WebApplication app, string scope)
    {
        app.Use(async (context, next) =>
        {
            if (!IsGuarded(context) || context.Request.Path == "/api/session" || !KeysNeeded(context.RequestServices))
            {
                await next();
                return;
            }

            var keys = context.RequestServices.GetRequiredService<KeyCache>();
            var (key, wait) = await keys.FindAsync(Secret(context.Request, scope), context.Connection.RemoteIpAddress, context.RequestAborted);
            if (wait is { } seconds)
            {
                await RefuseGuessing(context, seconds);
                return;
            }

            if (key is null)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await Refuse(context, StatusCodes.Status401Unauthorized, $"This needs an API key with scope {scope}: `imagesearch keys create NAME --scope {scope}`; send it as Authorization: Bearer KEY (the command line takes it from IMAGESEARCH_API_KEY).");
                return;
            }

            if (!key.Scopes.Contains(scope))
            {
                await Refuse(context, StatusCodes.Status403Forbidden, $"Key {key.Id} ({key.Name}) lacks the scope {scope}.");
                return;
            }

            context.Items[typeof(ApiKey)] = key;
            await next();
        });
        app.UseRateLimiter();
        app.MapPost("/api/session", async (HttpContext context, KeyCache keys, SessionRequest request) =>
        {
            var (key, wait) = await keys.FindAsync(request.Key, context.Connection.RemoteIpAddress, context.RequestAborted);
            if (wait is { } seconds)
            {
                await RefuseGuessing(context, seconds);
                return Results.Empty;
            }

            if (key?.Scopes.Contains(scope) != true)
            {
                return Results.Problem("The key is unknown, revoked, or lacks the scope " + scope + ".", statusCode: StatusCodes.Status401Unauthorized);
            }

            context.Response.Cookies.Append(Cookie(scope), request.Key!, new() { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = context.Request.IsHttps, Path = "/" });
            return Results.NoContent();
        }).ExcludeFromDescription();
        return app;
    }

    /// <summary>The key that let the request in; null on loopback.</summary>
    public static ApiKey? Key(HttpContext context) => context.Items[typeof(ApiKey)] as ApiKey;

    internal sealed record SessionRequest(string? Key);

    // Browsers send the cookies of all ports of a host: each service has its own.
    private static string Cookie(string scope) => "imagesearch-" + scope;

    private static bool IsGuarded(HttpContext context)
    {
        var (path, method) = (context.Request.Path, context.Request.Method);
        return !path.StartsWithSegments("/health")
            && !((HttpMethods.IsGet(method) || HttpMethods.IsHead(method)) && (path == "/" || IsPageFile(context, path)));
    }

    private static bool IsPageFile(HttpContext context, PathString path) =>
        !path.StartsWithSegments("/api") && !path.StartsWithSegments("/images") && !path.StartsWithSegments("/objects")
            && context.RequestServices.GetRequiredService<IWebHostEnvironment>().WebRootFileProvider.GetFileInfo(path) is { Exists: true, IsDirectory: false };

    private static bool KeysNeeded(IServiceProvider services) => services.GetRequiredService<IOptions<SecurityOptions>>().Value.RequireKeys switch
    {
        "always" => true,
        "never" => false,
        _ => (services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? []).Any(a => !IsLoopback(a)),
    };

    internal static bool IsLoopback(string address)
    {
        var host = BindingAddress.Parse(address).Host;
        return host == "localhost" || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
    }

    private static string? Secret(HttpRequest request, string scope)
    {
        var authorization = request.Headers.Authorization.ToString();
        return authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization[7..].Trim()
            : request.Headers.TryGetValue("X-Api-Key", out var header) ? header.ToString()
            : request.Cookies[Cookie(scope)];
    }

    private static string Caller(HttpContext context) => Key(context) is { } key ? "key " + key.Id : context.Connection.RemoteIpAddress?.ToString() ?? "unknown";

    private static SecurityOptions Options(HttpContext context) => context.RequestServices.GetRequiredService<IOptions<SecurityOptions>>().Value;

    private static TokenBucketRateLimiterOptions PerMinute(HttpContext context)
    {
        var perMinute = Options(context).RequestsPerMinute;
        return new()
        {
            TokenLimit = perMinute,
            TokensPerPeriod = Math.Max(1, perMinute / 60),
            ReplenishmentPeriod = TimeSpan.FromSeconds(Math.Max(1, 60.0 / perMinute)),
            QueueLimit = 0,
        };
    }

    private static Task RefuseGuessing(HttpContext context, int seconds)
    {
        context.Response.Headers.RetryAfter = $"{seconds}";
        return Refuse(context, StatusCodes.Status429TooManyRequests, $"Too many wrong API keys came from this address. Try again in {seconds} s, or raise Security:WrongKeysPerMinute.");
    }

    private static Task Refuse(HttpContext context, int status, string detail) => Results.Problem(detail, statusCode: status).ExecuteAsync(context);

    /// <summary>A service that others can reach and that nobody has a key for does not start.</summary>
    private sealed class RefuseOpenStart(IConfiguration configuration, IOptions<SecurityOptions> options, ApiKeyCatalog keys, string scope) : IHostedLifecycleService
    {
        public async Task StartingAsync(CancellationToken cancellationToken)
        {
            var open = (configuration["Urls"] ?? "http://localhost:5000").Split(';', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(a => !IsLoopback(a));
            if (open is not null && options.Value.RequireKeys == "beyond-loopback" && !await keys.AnyAsync(scope, cancellationToken))
            {
                throw new OptionsValidationException(SecurityOptions.Section, typeof(SecurityOptions), [
                    $"{open} is reachable from other machines, and there is no API key with scope {scope}. Create one (imagesearch keys create NAME --scope {scope}), "
                    + "listen on 127.0.0.1, or set Security:RequireKeys to never if something else guards the service."]);
            }
        }

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
