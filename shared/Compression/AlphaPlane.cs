using System.IO.Compression;
using ImageSearch.Imaging;

namespace ImageSearch.Compression;

/// <summary>Lossless alpha: each row as differences to the row above, modulo 256 (the first to 255), then Brotli (RFC 7932).</summary>
internal static class AlphaPlane
{
    private const int Window = 22;

    public static byte[] Encode(Picture picture)
    {
        var plane = new byte[picture.Width * picture.Height];
        for (var i = 0; i < plane.Length; i++)
        {
            plane[i] = (byte)(picture.Pixels[(4 * i) + 3] - (i < picture.Width ? 255 : picture.Pixels[(4 * (i - picture.Width)) + 3]));
        }

        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(plane.Length)];
        return BrotliEncoder.TryCompress(plane, packed, out var written, quality: 5, Window) ? packed[..written]
            : throw new InvalidOperationException("Brotli did not fit its own bound.");
    }

    /// <summary>Writes the fourth channel of <paramref name="pixels"/>.</summary>
    /// <exception cref="LicFormatException">The section is not exactly one plane.</exception>
    public static void Decode(ReadOnlySpan<byte> section, int width, int height, byte[] pixels)
    {
        var plane = Check(section, width, height);
        for (var i = 0; i < plane.Length; i++)
        {
            plane[i] += i < width ? (byte)255 : plane[i - width];
            pixels[(4 * i) + 3] = plane[i];
        }
    }

    /// <summary>Unpacks the section alone.</summary>
    /// <returns>Differences, one a pixel.</returns>
    /// <exception cref="LicFormatException">The section is not exactly one plane.</exception>
    public static byte[] Check(ReadOnlySpan<byte> section, int width, int height)
    {
        var plane = new byte[width * height];
        using var decoder = default(BrotliDecoder);
        var status = decoder.Decompress(section, plane, out var consumed, out var written);
        return status == System.Buffers.OperationStatus.Done && consumed == section.Length && written == plane.Length ? plane
            : throw new LicFormatException(LicError.Corrupt, "The alpha section does not hold one value per pixel.");
    }
}
