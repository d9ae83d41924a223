using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Operator.Audits;
using ImageSearch.Operator.Failures;
using ImageSearch.Operator.Models;
using ImageSearch.Operator.Pipeline;
using ImageSearch.Operator.Retries;
using ImageSearch.Operator.Timeline;

namespace ImageSearch.Operator;

internal static class OperatorServices
{
    /// <summary>The parts of the operator; those that write are safe to run in several operators at once.</summary>
    public static void AddOperator(this IServiceCollection services)
    {
        services.AddSingleton<FailureCatalog>();
        services.AddSingleton<FailureQueries>();
        services.AddSingleton<RetryCatalog>();
        services.AddSingleton<StageEventCatalog>();
        services.AddSingleton<AuditCatalog>();
        services.AddSingleton<StageJobCatalog>();
        services.AddSingleton<ModelSwitchCatalog>();
        services.AddSingleton<PictureCatalog>();
        services.AddSingleton<ProgressCatalog>();
        services.AddSingleton<BitstreamCatalog>();
        services.AddSingleton<EmbeddingCatalog>();
        services.AddSingleton<OperatorLog>();
        services.AddSingleton<RetryPublisher>();
        services.AddSingleton<QueueInspector>();
        services.AddSingleton<PipelineView>();
        services.AddSingleton<StoreAudit>();
        services.AddSingleton<Repairs>();
        services.AddHostedService<ErrorQueueReader>();
        services.AddHostedService<RetryDispatcher>();
        services.AddHostedService<AutomaticRetries>();
        services.AddHostedService<AuditRunner>();
        services.AddHostedService<StageJobRunner>();
        services.AddSingleton<TimelineWriter>();
        services.AddHostedService(p => p.GetRequiredService<TimelineWriter>());
    }
}
