namespace ImageSearch.Imaging;

/// <summary>Why a file was refused. Names are stable: they are stored and shown.</summary>
public enum PictureError
{
    /// <summary>The bytes are no picture of any kind.</summary>
    NotAPicture,

    /// <summary>A picture or document of a kind that is not read here (SVG, PDF, HEIC, BMP ...).</summary>
    UnsupportedFormat,

    /// <summary>More bytes or pixels than <see cref="ImageLimits"/> allows.</summary>
    TooLarge,

    TooManyFrames,

    /// <summary>Truncated or malformed.</summary>
    Damaged,

    DecodeTimeout,
}

/// <summary>A file cannot become a picture. The same bytes fail the same way again (except <see cref="PictureError.DecodeTimeout"/>); the message says what to do.</summary>
public sealed class PictureException(PictureError code, string message) : Exception(message)
{
    public PictureError Code { get; } = code;
}
