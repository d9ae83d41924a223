using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Operator;

/// <summary>Settings section "Operator".</summary>
public sealed class OperatorOptions
{
    public const string Section = "Operator";

    /// <summary>
    /// Failed messages that are taken from each error queue at once. A message may have up to 16 MiB, the broker's own limit, so this bounds the memory
    /// that hostile ones take.
    /// </summary>
    [Range(1, 1000)]
    public int ErrorPrefetch { get; set; } = 64;

    /// <summary>
    /// Exception types whose messages are sent again later without a person, by full name; an entry that ends in a dot stands for a namespace.
    /// Null: failures of servers, networks and disks. (A default that is an array would be added to by settings, not replaced.)
    /// </summary>
    public string[]? TransientExceptions { get; set; }

    /// <summary>Waits before the first, second ... automatic retry. Null: 5 min, 30 min and 2 h.</summary>
    public TimeSpan[]? AutomaticDelays { get; set; }

    public string[] TransientExceptionsInForce => TransientExceptions ??
    [
        "System.TimeoutException", "System.IO.IOException", "System.OperationCanceledException", "System.Threading.Tasks.TaskCanceledException",
        "System.Net.", "Npgsql.", "Amazon.Runtime.", "Amazon.S3.", "RabbitMQ.Client.", "Polly.", "ImageSearch.Ingest.TemporarySpaceException",
    ];

    public TimeSpan[] AutomaticDelaysInForce => AutomaticDelays ?? [TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2)];

    /// <summary>Messages a second of automatic retries.</summary>
    [Range(0.1, 1000)]
    public float AutomaticRate { get; set; } = 20;

    /// <summary>
    /// A message that was sent again counts as done when its queue was seen worked off and this much time passed without a new failure. It must
    /// cover the retries inside a worker (about 8 s).
    /// </summary>
    public TimeSpan RetrySettle { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Resolved and archived messages, and finished audits, are deleted after this time.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>The ways of the pictures are kept this long.</summary>
    public TimeSpan TimelineRetention { get; set; } = TimeSpan.FromDays(30);

    /// <summary>Time between audits; zero turns them off.</summary>
    public TimeSpan AuditEvery { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Whether periodic audits repair what they find.</summary>
    public bool AuditRepairs { get; set; } = true;

    /// <summary>Things younger than this are still on their way and no findings.</summary>
    public TimeSpan AuditGrace { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Derived objects of no image are deleted when they are older than this; a worker may be about to register a younger one.</summary>
    public TimeSpan OrphanAge { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Repairs that are asked for a second.</summary>
    [Range(1, 10000)]
    public int RepairRate { get; set; } = 200;

    /// <summary>Background jobs ask for nothing while this many messages wait for a stage, so that new pictures are not held up.</summary>
    [Range(1, 1_000_000)]
    public int JobBacklog { get; set; } = 500;

    /// <summary>A stage whose oldest picture waits longer is reported.</summary>
    public TimeSpan SlowAfter { get; set; } = TimeSpan.FromMinutes(10);
}
