using ImageSearch.Catalog.Operations;
using ImageSearch.Hosting.Security;
using Microsoft.AspNetCore.Diagnostics;

namespace ImageSearch.Operator;

/// <summary>What the parts of the HTTP API share: who is acting, and errors as problem details.</summary>
internal static class OperatorApi
{
    public const int LargestPage = 500;

    /// <summary>Who acts: header X-Actor, else the user that the service runs as; with an API key its name stands before, since a header can say anything.</summary>
    public static string Actor(this HttpContext context)
    {
        var named = context.Request.Headers["X-Actor"].ToString().Trim() is { Length: > 0 and <= 100 } actor ? actor : null;
        return ApiKeyGate.Key(context) is { } key ? (named is null ? key.Name : $"{key.Name} ({named})") : named ?? Environment.UserName;
    }

    /// <summary>Refuses changes that a page of another site sends through a browser.</summary>
    public static void UseSameOrigin(this WebApplication app) => app.Use(async (context, next) =>
    {
        var origin = context.Request.Headers.Origin.ToString();
        if (origin.Length > 0 && !HttpMethods.IsGet(context.Request.Method) && !(Uri.TryCreate(origin, UriKind.Absolute, out var from) && from.Authority == context.Request.Host.Value))
        {
            await Results.Problem($"Requests from pages of {origin} are refused.", statusCode: StatusCodes.Status403Forbidden).ExecuteAsync(context);
            return;
        }

        await next();
    });

    public static int Page(int? limit) => Math.Clamp(limit ?? 50, 1, LargestPage);

    public static IResult NotFound(string what) => Results.Problem(what, statusCode: StatusCodes.Status404NotFound, title: "Not found");

    public static IResult BadRequest(string why) => Results.Problem(why, statusCode: StatusCodes.Status400BadRequest, title: "Bad request");

    public static IResult Conflict(string why) => Results.Problem(why, statusCode: StatusCodes.Status409Conflict, title: "Not possible now");

    /// <summary>Turns exceptions into problem details: what the caller wrote wrongly into 400, a server that is away into 503.</summary>
    public static void UseProblemDetails(this WebApplication app) => app.UseExceptionHandler(new ExceptionHandlerOptions
    {
        // What the caller did wrong is told to the caller, not to the log.
        SuppressDiagnosticsCallback = c => c.Exception is FailureSearchException or ArgumentOutOfRangeException or BadHttpRequestException,
        ExceptionHandler = AnswerAsync,
    });

    private static async Task AnswerAsync(HttpContext context)
    {
        var error = context.Features.Get<IExceptionHandlerFeature>()?.Error;
        var (status, title) = error switch
        {
            FailureSearchException or ArgumentOutOfRangeException => (StatusCodes.Status400BadRequest, "Bad request"),
            BadHttpRequestException bad => (bad.StatusCode, "Bad request"),
            Npgsql.NpgsqlException or RabbitMQ.Client.Exceptions.RabbitMQClientException or System.Net.Sockets.SocketException or TimeoutException
                or Amazon.Runtime.AmazonServiceException or HttpRequestException => (StatusCodes.Status503ServiceUnavailable, "A server that is needed does not answer"),
            _ => (StatusCodes.Status500InternalServerError, "The operator failed"),
        };
        await Results.Problem(error?.Message, statusCode: status, title: title).ExecuteAsync(context);
    }
}
