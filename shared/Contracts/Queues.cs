namespace ImageSearch.Contracts;

/// <summary>Names of the broker's queues. Failed messages of queue Q go to <c>Q_error</c>, messages nobody understands to <c>Q_skipped</c>.</summary>
public static class Queues
{
    /// <summary>Topic exchange that the object store publishes bucket notifications to.</summary>
    public const string S3EventsExchange = "s3.events";

    public const string IngestS3Events = "ingest-s3-events";

    /// <summary>Pictures that a later stage found to be damaged.</summary>
    public const string IngestRejections = "ingest-rejections";

    public const string Codec = "codec";

    /// <summary>Pictures whose bitstreams and thumbnails are to be deleted: apart, so that new pictures do not wait behind a large deletion.</summary>
    public const string CodecRemovals = "codec-removals";
    public const string Embedder = "embedder";
    public const string Captioner = "captioner";
    public const string OperatorTimeline = "operator-timeline";

    /// <summary>Where the broker moves messages that were delivered too often without an answer.</summary>
    public const string DeadLetters = "operator-dead-letters";

    public static readonly IReadOnlyList<string> Pipeline = [IngestS3Events, IngestRejections, Codec, CodecRemovals, Embedder, Captioner, OperatorTimeline];
}
