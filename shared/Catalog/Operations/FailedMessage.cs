namespace ImageSearch.Catalog.Operations;

/// <summary>A message as it was taken from an error queue.</summary>
/// <param name="DeliveryKey">SHA-256 that is the same whenever this very failure is delivered again.</param>
/// <param name="HasIdentity">False if nothing but the content tells the message from another (no id, no time of failure).</param>
/// <param name="Redelivered">The broker says it had handed the message out before.</param>
/// <param name="RetryOf">Failure whose retry this is.</param>
/// <param name="Headers">JSON object of the AMQP headers.</param>
/// <param name="Properties">JSON object of the AMQP properties.</param>
public sealed record NewFailure(
    byte[] DeliveryKey, bool HasIdentity, bool Redelivered, long? RetryOf,
    string Endpoint, string Source, string? MessageId, string? MessageType,
    string ExceptionType, string ExceptionMessage, string StackTrace, string FirstFrame, string GroupKey, bool Transient,
    long? Image, byte[]? Sha256, string? Bucket, string? Key, string? TraceId,
    string Properties, string Headers, byte[] Body, string SearchText, DateTimeOffset FailedAt);

/// <summary>One line of the list.</summary>
public sealed record FailureSummary(
    long Id, string State, string Endpoint, string? MessageType, string ExceptionType, string ExceptionMessage, string FirstFrame, string GroupKey,
    long? Image, string? ImageId, string? Bucket, string? Key, int Attempts, DateTimeOffset FirstFailedAt, DateTimeOffset LastFailedAt,
    DateTimeOffset? NextRetryAt, bool Transient, int BodyBytes);

public sealed record FailureAttempt(DateTimeOffset FailedAt, string ExceptionType, string ExceptionMessage, string FirstFrame);

/// <summary>One try to send a message again.</summary>
public sealed record RetryAttempt(long Retry, string Kind, string Actor, string State, int Sends, DateTimeOffset? SentAt, DateTimeOffset? DecidedAt, string? DecidedBy);

/// <param name="EditedFrom">The message that this one was made from by editing.</param>
/// <param name="EditedTo">Messages that were made from this one by editing.</param>
/// <param name="Copies">Equal messages without an identity of their own that this row stands for.</param>
public sealed record FailureDetail(
    FailureSummary Summary, string Source, string? MessageId, string? TraceId, string StackTrace, string Properties, string Headers, byte[] Body,
    int Copies, long? EditedFrom, IReadOnlyList<long> EditedTo, IReadOnlyList<FailureAttempt> Failures, IReadOnlyList<RetryAttempt> Retries);

/// <param name="Key">Value that the group has in common; the group key when grouping by cause.</param>
/// <param name="Name">For people.</param>
public sealed record FailureGroup(string Key, string Name, string? FirstFrame, long Count, DateTimeOffset First, DateTimeOffset Last, string? Note, string Example);

/// <param name="Next">Cursor of the next page; null at the end.</param>
public sealed record FailurePage(IReadOnlyList<FailureSummary> Items, string? Next);
