using ImageSearch.Catalog.Operations;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Retries;

/// <summary>Sends transient failures again when their time has come, unless a person has paused that; and applies the retention.</summary>
public sealed class AutomaticRetries(
    RetryCatalog retries, FailureQueries failures, OperatorLog journal, IOptions<OperatorOptions> options, TimeProvider time, ILogger<AutomaticRetries> log) : BackgroundService
{
    /// <summary>Name of the setting; "paused" stops automatic retries.</summary>
    public const string Setting = "automatic-retries";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var cleaned = DateTimeOffset.MinValue;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await journal.SettingAsync(Setting, stoppingToken) != "paused"
                    && await retries.StartDueAsync(options.Value.AutomaticRate, stoppingToken) is { } started)
                {
                    log.LogInformation("Retry {Retry} sends {Messages} messages again whose failure may have passed", started.Retry, started.Messages);
                }

                if (time.GetUtcNow() - cleaned > TimeSpan.FromHours(1))
                {
                    cleaned = time.GetUtcNow();
                    await failures.ApplyRetentionAsync(cleaned - options.Value.Retention, cleaned - options.Value.TimelineRetention, stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Automatic retries pause: {Reason}", e.Message);
            }

            await Task.Delay(TimeSpan.FromSeconds(5), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
