using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageSearch.Imaging;

/// <summary>EXIF orientation (TIFF tag 274). Done on the final pixels: a streaming loader cannot turn a picture by a quarter.</summary>
internal static class Orientation
{
    /// <param name="picture">As stored.</param>
    /// <param name="orientation">1 to 8: 2 mirror, 3 half turn, 4 flip, 5 transpose, 6 quarter turn clockwise, 7 transverse, 8 quarter turn counter-clockwise.</param>
    public static Picture Apply(Picture picture, int orientation)
    {
        if (orientation is <= 1 or > 8)
        {
            return picture;
        }

        return picture.Channels == 3
            ? Turn<Rgb>(picture, orientation)
            : Turn<uint>(picture, orientation);
    }

    private static Picture Turn<T>(Picture picture, int orientation) where T : unmanaged
    {
        var (w, h) = (picture.Width, picture.Height);
        var swap = orientation >= 5;
        var (width, height) = swap ? (h, w) : (w, h);
        var result = new byte[picture.Pixels.Length];
        var from = MemoryMarshal.Cast<byte, T>(picture.Pixels.AsSpan());
        var to = MemoryMarshal.Cast<byte, T>(result.AsSpan());
        for (var y = 0; y < height; y++)
        {
            // Where the first pixel of the row comes from, and how far apart its neighbours lie.
            var (start, step) = orientation switch
            {
                2 => ((y * w) + w - 1, -1),
                3 => (((h - 1 - y) * w) + w - 1, -1),
                4 => ((h - 1 - y) * w, 1),
                5 => (y, w),
                6 => (((h - 1) * w) + y, -w),
                7 => (((h - 1) * w) + w - 1 - y, -w),
                _ => (w - 1 - y, w),
            };
            var row = to.Slice(y * width, width);
            for (var x = 0; x < width; x++)
            {
                row[x] = from[start + (x * step)];
            }
        }

        return new Picture(width, height, picture.Channels, result);
    }

    [InlineArray(3)]
    private struct Rgb
    {
        private byte first;
    }
}
