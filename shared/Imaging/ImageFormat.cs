namespace ImageSearch.Imaging;

/// <summary>File formats that pictures come in or go out as. Bmp, SVG, PDF, HEIC, JPEG XL and raw formats are refused.</summary>
public enum ImageFormat
{
    Jpeg,
    Png,
    WebP,
    Avif,

    /// <summary>Read only.</summary>
    Gif,

    /// <summary>Read only.</summary>
    Tiff,
}

/// <summary>Names of formats on the wire.</summary>
public static class ImageFormats
{
    public static string MediaType(this ImageFormat format) => format switch
    {
        ImageFormat.Jpeg => "image/jpeg",
        ImageFormat.Png => "image/png",
        ImageFormat.WebP => "image/webp",
        ImageFormat.Avif => "image/avif",
        ImageFormat.Gif => "image/gif",
        ImageFormat.Tiff => "image/tiff",
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
    };

    /// <summary>Usual file ending, without the dot.</summary>
    public static string Extension(this ImageFormat format) => format switch
    {
        ImageFormat.Jpeg => "jpg",
        _ => format.ToString().ToLowerInvariant(),
    };
}
