namespace ImageSearch.Captioner;

/// <summary>Why a picture got no words. Names are stable: they are the <c>kind</c> of the failure metric.</summary>
public enum CaptionFailure
{
    /// <summary>The server cannot be reached, is starting, or answers as a gateway without a server (502, 503, 504).</summary>
    Unavailable,

    /// <summary>The server wants fewer requests (429), for longer than the picture's time budget.</summary>
    Throttled,

    /// <summary>Key, model or address are wrong (401, 403, 404): no picture would fare better.</summary>
    Misconfigured,

    /// <summary>The server fails (500), maybe on this picture only.</summary>
    ServerError,

    /// <summary>No answer within the time of a request.</summary>
    TimedOut,

    /// <summary>The request or the picture is not accepted (other 4xx, a refusal in words).</summary>
    Refused,

    /// <summary>The answer has no tags and no caption, and neither has the answer to the repair request.</summary>
    Unusable,

    /// <summary>The answer is longer than any caption.</summary>
    Oversized,

    /// <summary>Time or tokens of the picture were spent before the whole picture had words.</summary>
    BudgetSpent,
}

/// <param name="retryAfter">How long the server wants to be left alone, if it said so.</param>
public sealed class CaptionException(CaptionFailure kind, string message, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(message, inner)
{
    public CaptionFailure Kind => kind;

    public TimeSpan? RetryAfter => retryAfter;

    /// <summary>It concerns every picture alike and lasts: the queue waits for as long as it does.</summary>
    public bool ConcernsAll => kind is CaptionFailure.Unavailable or CaptionFailure.Throttled or CaptionFailure.Misconfigured;

    /// <summary>It may pass, or it may be this picture: worth a few more rounds.</summary>
    public bool MayPass => kind is CaptionFailure.ServerError or CaptionFailure.TimedOut;
}
