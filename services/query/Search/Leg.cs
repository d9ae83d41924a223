using System.Diagnostics;
using Npgsql;

namespace ImageSearch.Query.Search;

/// <summary>Runs one leg of a search within its budget; whatever happens to it, the other one can still answer.</summary>
public static partial class Leg
{
    public static readonly LegReport Off = new("off", 0, 0);

    public static async Task<(IReadOnlyList<T> Hits, LegReport Report)> RunAsync<T>(Func<CancellationToken, Task<IReadOnlyList<T>>> search, TimeSpan budget, ILogger logger, CancellationToken ct)
    {
        var start = Stopwatch.GetTimestamp();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(budget);
        double Elapsed() => Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 2);
        try
        {
            // Task.Run: encoding a text computes before it first waits. WaitAsync: a driver that is slow to cancel must not hold up the answer.
            var hits = await Task.Run(() => search(limit.Token), limit.Token).WaitAsync(limit.Token);
            return (hits, new("ok", hits.Count, Elapsed()));
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is OperationCanceledException)
        {
            return ([], new("late", 0, Elapsed(), $"No answer within {budget.TotalMilliseconds:0} ms."));
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is not Web.RequestException)
        {
            Failed(logger, e);
            return ([], new("failed", 0, Elapsed(), Reason(e)));
        }
    }

    // The message of a database error may hold data; its code says enough.
    private static string Reason(Exception e) => e switch
    {
        PostgresException p => $"The database refused the query ({p.SqlState}).",
        NpgsqlException or TimeoutException => "The database does not answer.",
        Models.NoModelException or ImageSearch.Models.ModelException => e.Message,
        _ => "An unexpected error; the log has it.",
    };

    [LoggerMessage(LogLevel.Error, "A leg of a search failed")]
    private static partial void Failed(ILogger logger, Exception exception);
}
