using System.Globalization;
using ImageSearch.Imaging.Native;

namespace ImageSearch.Imaging;

/// <summary>When a picture was taken: Exif 3.0, DateTimeOriginal and OffsetTimeOriginal, as libvips exposes them.</summary>
internal static class ExifTime
{
    public static DateTimeOffset? Read(VipsImage image)
    {
        var text = Value(image, "exif-ifd2-DateTimeOriginal") ?? Value(image, "exif-ifd0-DateTime");
        if (text is null || !DateTime.TryParseExact(text.Length > 19 ? text[..19] : text, "yyyy:MM:dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
        {
            return null;
        }

        var offset = Value(image, "exif-ifd2-OffsetTimeOriginal") is { Length: 6 } o && o[0] is '+' or '-'
            && TimeSpan.TryParseExact(o[1..], @"hh\:mm", CultureInfo.InvariantCulture, out var span) && span <= TimeSpan.FromHours(14)
            ? (o[0] == '-' ? -span : span) : TimeSpan.Zero;
        try
        {
            return new DateTimeOffset(local, offset);
        }
        catch (ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    /// <summary>libvips appends the type to each value: "2026:05:01 12:00:00 (2026:05:01 12:00:00, ASCII, 20 components, 20 bytes)".</summary>
    private static string? Value(VipsImage image, string field)
    {
        var text = image.Text(field);
        var end = text?.IndexOf(" (", StringComparison.Ordinal) ?? -1;
        return end < 0 ? text : text![..end];
    }
}
