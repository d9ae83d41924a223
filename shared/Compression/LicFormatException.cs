namespace ImageSearch.Compression;

/// <summary>What is wrong with a stream.</summary>
public enum LicError
{
    /// <summary>The first bytes are not those of a .lic stream.</summary>
    NotLic,

    /// <summary>A later version of the format.</summary>
    UnsupportedVersion,

    /// <summary>The stream ends before its sections do.</summary>
    Truncated,

    /// <summary>The CRC-32C differs.</summary>
    Checksum,

    /// <summary>A field of the header is outside what the format allows.</summary>
    Header,

    /// <summary>The picture is larger than <see cref="LicCodec.MaxPixels"/>.</summary>
    TooLarge,

    /// <summary>No model with this id lies in the models folder.</summary>
    UnknownModel,

    /// <summary>The sections cannot be decoded although the checksum holds.</summary>
    Corrupt,
}

/// <summary>The one error for a stream that cannot be decoded, whatever is wrong with it.</summary>
public sealed class LicFormatException(LicError reason, string message, Exception? inner = null) : Exception(message, inner)
{
    public LicError Reason { get; } = reason;
}
