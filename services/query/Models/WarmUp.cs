namespace ImageSearch.Query.Models;

/// <summary>Opens the active model when the service starts, so that the first query does not pay for it.</summary>
public sealed partial class WarmUp(ActiveModels models, ILogger<WarmUp> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var model = await models.GetAsync(stoppingToken);
            await Task.Run(() => model.EncodeText("a photo"), stoppingToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Queries try again and say what is missing.
            NotYet(logger, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "No embedding model answers yet: {Reason}")]
    private static partial void NotYet(ILogger logger, string reason);
}
