using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace ImageSearch.Hosting.Security;

/// <summary>
/// What every HTTP answer carries and every request is held to: headers that keep foreign scripts, frames and sites away, an id for each request, and limits
/// on bodies and slow clients. There is no CORS: scripts of other origins cannot read an answer.
/// </summary>
public static partial class HttpHardening
{
    /// <summary>Body of a request, where the endpoint does not ask for more with <see cref="AllowBody"/>.</summary>
    public const long MaxBody = 1 << 20;

    public const string RequestId = "X-Request-Id";

    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    /// <summary>Kestrel's limits. A body must come at 1 KB/s after ten seconds, headers within 15 s, so that slow clients do not hold connections.</summary>
    internal static void ConfigureKestrelLimits(this ConfigureWebHostBuilder web) => web.ConfigureKestrel(k =>
    {
        k.AddServerHeader = false;
        k.Limits.MaxRequestBodySize = MaxBody;
        k.Limits.MaxRequestHeadersTotalSize = 16 << 10;
        k.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        k.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(1);
        k.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 1024, gracePeriod: TimeSpan.FromSeconds(10));
        k.Limits.MaxConcurrentConnections = 4096;
    });

    /// <summary>Problem details name the request, so that a user's report leads to the trace.</summary>
    internal static IServiceCollection AddHttpHardening(this IServiceCollection services) =>
        services.AddProblemDetails(o => o.CustomizeProblemDetails = c => c.ProblemDetails.Extensions["requestId"] = c.HttpContext.TraceIdentifier);

    /// <summary>To be called first, so that refusals and errors have the headers too.</summary>
    public static void UseHttpHardening(this WebApplication app) => app.Use((context, next) =>
    {
        var sent = context.Request.Headers[RequestId].ToString();
        context.TraceIdentifier = PlainId().IsMatch(sent) ? sent : Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier;
        Activity.Current?.SetTag("http.request_id", context.TraceIdentifier);

        // Once more as the answer starts: an error handler clears what was set before it.
        SetHeaders(context);
        context.Response.OnStarting(() =>
        {
            SetHeaders(context);
            return Task.CompletedTask;
        });
        return next();
    });

    /// <summary>Problem details for errors and for empty refusals; what the caller did wrong (a body too large, too slow or broken) keeps its status.</summary>
    public static void UseErrorAnswers(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            StatusCodeSelector = e => e is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError,
            SuppressDiagnosticsCallback = c => c.Exception is BadHttpRequestException,
        });
        app.UseStatusCodePages();
    }

    /// <summary>Lets the request in hand carry a body of this length; to be called before anything is read.</summary>
    public static void AllowBody(this HttpContext context, long bytes)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = bytes;
        }
    }

    private static void SetHeaders(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()";
        headers[RequestId] = context.TraceIdentifier;
    }

    [GeneratedRegex(@"^[A-Za-z0-9._:-]{1,64}\z")]
    private static partial Regex PlainId();
}
