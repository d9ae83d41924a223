using System.Globalization;
using Microsoft.AspNetCore.Diagnostics;

namespace ImageSearch.Query.Web;

/// <summary>Every error as RFC 9457 problem details.</summary>
public static class Problems
{
    /// <summary>A mistake of the caller's is answered with its status and the field's name; anything else is logged and answered without its details.</summary>
    public static WebApplication UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            SuppressDiagnosticsCallback = c => c.Exception is RequestException or BadHttpRequestException or OperationCanceledException,
            ExceptionHandler = async context =>
            {
                var error = context.Features.Get<IExceptionHandlerFeature>()?.Error;
                if (context.RequestAborted.IsCancellationRequested)
                {
                    context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                    return;
                }

                var result = error switch
                {
                    RequestException e => For(e),
                    BadHttpRequestException e => TypedResults.Problem(e.Message, statusCode: e.StatusCode),
                    _ => TypedResults.Problem("The service could not answer; its log says why.", statusCode: StatusCodes.Status500InternalServerError),
                };
                if (error is RequestException { Status: StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable })
                {
                    context.Response.Headers.RetryAfter = 2.ToString(CultureInfo.InvariantCulture);
                }

                await result.ExecuteAsync(context);
            },
        });
        app.UseStatusCodePages();
        return app;
    }

    private static IResult For(RequestException e) => e is { Status: StatusCodes.Status400BadRequest, FieldName.Length: > 0 }
        ? FieldErrors.Problem(e.FieldName, e.Message)
        : TypedResults.Problem(e.Message, statusCode: e.Status, extensions: e.FieldName.Length > 0
            ? new Dictionary<string, object?> { ["errors"] = new Dictionary<string, string[]> { [e.FieldName] = [e.Message] } } : null);
}
