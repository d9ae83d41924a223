// The namespace and the names below are the routing keys of the message broker: renaming one breaks running systems.
namespace ImageSearch.Contracts;

/// <summary>A picture with new or known content lies under a key of the upload bucket and is registered in the catalogue.</summary>
/// <param name="Image">Surrogate key in the catalogue.</param>
/// <param name="Id">SHA-256 of the bytes.</param>
/// <param name="Bucket">Where the original lies now.</param>
/// <param name="Key">One of the keys that hold these bytes.</param>
public sealed record ImageIngested(long Image, ImageId Id, string Bucket, string Key, DateTimeOffset At);

/// <summary>An object was refused; <paramref name="Code"/> is stable, <paramref name="Reason"/> is for people.</summary>
public sealed record ImageRejected(string Bucket, string Key, string Code, string Reason, DateTimeOffset At);

/// <summary>The last key of an image is gone, and with it everything the catalogue held of it.</summary>
public sealed record ImageRemoved(long Image, ImageId Id, DateTimeOffset At);

/// <summary>The bitstream of an image is in the derived bucket and in the catalogue.</summary>
public sealed record ImageEncoded(long Image, ImageId Id, string BitstreamKey, DateTimeOffset At);

/// <summary>The vector of an image under one embedding model (<c>name/version</c>) is in the catalogue.</summary>
public sealed record ImageEmbedded(long Image, ImageId Id, string Model, DateTimeOffset At);

/// <summary>The texts of an image are in the catalogue and in the lexical index.</summary>
public sealed record ImageCaptioned(long Image, ImageId Id, string Captioner, DateTimeOffset At);

/// <summary>An operator, an audit or a model switch wants a stage done for an image.</summary>
/// <param name="Stage">One of <see cref="Stages"/>; each worker takes its own and ignores the others.</param>
/// <param name="Model">Embedding model to embed with; null for the active ones.</param>
/// <param name="Force">Do it again even if the result is there.</param>
public sealed record ImageReprocessRequested(long Image, ImageId Id, string Stage, string? Model, bool Force, DateTimeOffset At);

/// <summary>The stages that a picture passes after it is registered.</summary>
public static class Stages
{
    public const string Encode = "encode";
    public const string Embed = "embed";
    public const string Caption = "caption";

    public static readonly IReadOnlyList<string> All = [Encode, Embed, Caption];
}
