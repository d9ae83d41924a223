using System.Buffers.Binary;
using System.Text;

namespace ImageSearch.Imaging;

/// <summary>
/// Tells the format from the first bytes. The one loader that fits is then called by name, so libvips itself never guesses: a file
/// that is both a JPEG and a ZIP or a script is read as the JPEG that its head says, and everything after is ignored.
/// </summary>
internal static class FormatSniffer
{
    private static readonly string[] HeicBrands = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"];

    /// <exception cref="PictureException">The bytes are no picture, or one of a kind that is not read here.</exception>
    public static ImageFormat Sniff(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12)
        {
            throw new PictureException(PictureError.NotAPicture, file.IsEmpty
                ? "The file is empty. Upload a JPEG, PNG, WebP, AVIF, GIF or TIFF picture."
                : "The file is too short to be a picture. Upload a JPEG, PNG, WebP, AVIF, GIF or TIFF picture.");
        }

        if (file[0] == 0xFF && file[1] == 0xD8 && file[2] == 0xFF)
        {
            return ImageFormat.Jpeg;
        }

        if (file[0] == 0x89 && file[1..].StartsWith("PNG\r\n\u001a\n"u8))
        {
            return ImageFormat.Png;
        }

        if (file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8))
        {
            return ImageFormat.Gif;
        }

        if (file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8))
        {
            return ImageFormat.WebP;
        }

        if (file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8) || file.StartsWith("II+\0"u8) || file.StartsWith("MM\0+"u8))
        {
            return ImageFormat.Tiff;
        }

        if (file[4..].StartsWith("ftyp"u8))
        {
            return Brands(file) switch
            {
                var b when b.Contains("avif") || b.Contains("avis") => ImageFormat.Avif,
                var b when b.Overlaps(HeicBrands) => throw Unsupported("HEIC"),
                _ => throw Unsupported("ISO media (video or an unknown kind)"),
            };
        }

        throw Other(file) is { } name
            ? Unsupported(name)
            : new PictureException(PictureError.NotAPicture, "The file is not a picture. Upload a JPEG, PNG, WebP, AVIF, GIF or TIFF picture.");
    }

    /// <summary>Frames of an animated PNG by its acTL chunk, which must stand before the first IDAT (PNG third edition, 11.3.6.1); 1 otherwise.</summary>
    public static int PngFrames(ReadOnlySpan<byte> file)
    {
        for (var at = 8; at + 12 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            var type = file.Slice(at + 4, 4);
            if (type.SequenceEqual("IDAT"u8) || length > int.MaxValue - 64 || at + 12L + length > file.Length)
            {
                break;
            }

            if (type.SequenceEqual("acTL"u8) && length >= 8)
            {
                return (int)Math.Clamp(BinaryPrimitives.ReadUInt32BigEndian(file[(at + 8)..]), 1u, (uint)int.MaxValue);
            }

            at += 12 + (int)length;
        }

        return 1;
    }

    private static HashSet<string> Brands(ReadOnlySpan<byte> file)
    {
        // ISO/IEC 14496-12, 4.3: size, "ftyp", major brand, minor version, compatible brands.
        var size = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(file), 256u);
        var brands = new HashSet<string>(StringComparer.Ordinal) { Encoding.ASCII.GetString(file.Slice(8, 4)) };
        for (var at = 16; at + 4 <= Math.Min(size, file.Length); at += 4)
        {
            brands.Add(Encoding.ASCII.GetString(file.Slice(at, 4)));
        }

        return brands;
    }

    private static string? Other(ReadOnlySpan<byte> file)
    {
        var head = Encoding.Latin1.GetString(file[..Math.Min(file.Length, 1024)]);
        return head switch
        {
            _ when head.StartsWith("BM", StringComparison.Ordinal) && file.Length > 26 && file[14] is 12 or 40 or 64 or 108 or 124 => "BMP",
            _ when head.Contains("%PDF-", StringComparison.Ordinal) => "PDF",
            _ when head.Contains("<svg", StringComparison.OrdinalIgnoreCase) => "SVG",
            _ when head.StartsWith("8BPS", StringComparison.Ordinal) => "Photoshop",
            _ when head.StartsWith("\0\0\u0001\0", StringComparison.Ordinal) => "ICO",
            _ when head.StartsWith("\u00FF\u000A", StringComparison.Ordinal) || head.StartsWith("\0\0\0\u000CJXL ", StringComparison.Ordinal) => "JPEG XL",
            _ when head.StartsWith("\0\0\0\u000CjP  ", StringComparison.Ordinal) => "JPEG 2000",
            _ => null,
        };
    }

    private static PictureException Unsupported(string name) =>
        new(PictureError.UnsupportedFormat, $"{name} files are not read here. Save the picture as JPEG, PNG, WebP or AVIF and try again.");
}
