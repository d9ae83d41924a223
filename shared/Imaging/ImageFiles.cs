using System.IO.MemoryMappedFiles;
using ImageSearch.Imaging.Native;

namespace ImageSearch.Imaging;

/// <summary>
/// Picture files to pixels and back, through libvips. Files are hostile: format by content, limits before decode, one loader per format,
/// every failure a <see cref="PictureException"/>. Thread-safe; each call works on the calling thread alone.
/// </summary>
public static class ImageFiles
{
    /// <summary>Reads the header only; no pixel is decoded.</summary>
    /// <exception cref="PictureException">No picture, a kind not read here, over a limit, or a damaged header.</exception>
    public static unsafe ImageInfo Probe(ReadOnlySpan<byte> file, ImageLimits? limits = null)
    {
        using var time = ComputeTime.Measure(ComputeTime.Libvips);
        fixed (byte* data = file)
        {
            using var source = Open(data, file, limits ?? ImageLimits.Default, longestSide: null);
            var image = source.Image;
            var swap = image.Orientation >= 5;
            return new ImageInfo(source.Format, swap ? image.Height : image.Width, swap ? image.Width : image.Height, source.Frames, image.HasAlpha, ExifTime.Read(image));
        }
    }

    /// <summary>As <see cref="Probe(ReadOnlySpan{byte}, ImageLimits?)"/> for a file on disk; only those of its pages are read that the header lies in.</summary>
    /// <exception cref="PictureException">As there.</exception>
    public static unsafe ImageInfo Probe(FileStream file, ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        (limits ?? ImageLimits.Default).CheckBytes(file.Length);
        if (file.Length is 0 or > int.MaxValue)
        {
            return file.Length == 0
                ? Probe([], limits)
                : throw new PictureException(PictureError.TooLarge, $"The file has {file.Length:N0} bytes; at most {int.MaxValue:N0} can be read. Save it smaller and try again.");
        }

        using var map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        using var view = map.CreateViewAccessor(0, file.Length, MemoryMappedFileAccess.Read);
        byte* data = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
        try
        {
            return Probe(new ReadOnlySpan<byte>(data + view.PointerOffset, (int)file.Length), limits);
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    /// <summary>
    /// Decodes the first frame: orientation applied, colours to sRGB (embedded ICC profile, CMYK, grey, 16 bit and float handled), 8 bit, 3 channels or 4 with alpha.
    /// </summary>
    /// <exception cref="PictureException">No picture, a kind not read here, over a limit, damaged or truncated, or too slow.</exception>
    public static Picture Decode(ReadOnlyMemory<byte> file, ImageLimits? limits = null) => Decode(file, longestSide: null, limits);

    /// <summary>
    /// As <see cref="Decode(ReadOnlyMemory{byte}, ImageLimits?)"/>, with the longest side at most <paramref name="longestSide"/> (never enlarged). Streams, so that a large
    /// file needs memory for the small result only; JPEG is shrunk while it is read.
    /// </summary>
    /// <exception cref="PictureException">As for Decode.</exception>
    public static Picture DecodeScaled(ReadOnlyMemory<byte> file, int longestSide, ImageLimits? limits = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(longestSide, 1);
        return Decode(file, (int?)longestSide, limits);
    }

    /// <summary>Writes a picture without any metadata. JPEG has no alpha: transparent parts turn white.</summary>
    /// <param name="picture">Pixels.</param>
    /// <param name="format">JPEG, WebP, PNG or AVIF.</param>
    /// <param name="quality">1 to 100; PNG ignores it.</param>
    /// <exception cref="ArgumentException">A format that is only read, or a side beyond the format's (JPEG 65,500, WebP 16,383, AVIF 65,536).</exception>
    public static unsafe byte[] Encode(Picture picture, ImageFormat format, int quality = 80)
    {
        ArgumentNullException.ThrowIfNull(picture);
        if (quality is < 1 or > 100)
        {
            throw new ArgumentOutOfRangeException(nameof(quality), quality, "1 to 100");
        }

        var source = format == ImageFormat.Jpeg ? picture.Flatten(255, 255, 255) : picture;
        using var time = ComputeTime.Measure(ComputeTime.Libvips);
        fixed (byte* data = source.Pixels)
        {
            Vips.EnsureStarted();
            using var raw = new VipsImage(Vips.ImageFromMemory(data, (nuint)source.Pixels.Length, source.Width, source.Height, source.Channels, 0));
            using var image = new VipsOperation("copy").Set("in", raw).Set("interpretation", "srgb").Image()
                ?? throw new InvalidOperationException($"libvips cannot take the pixels: {Vips.TakeError()}");
            var save = format switch
            {
                ImageFormat.Jpeg => new VipsOperation("jpegsave_buffer").Set("in", image).Set("Q", quality).Set("optimize-coding", "true"),
                ImageFormat.WebP => new VipsOperation("webpsave_buffer").Set("in", image).Set("Q", quality).Set("effort", 3),
                ImageFormat.Png => new VipsOperation("pngsave_buffer").Set("in", image).Set("compression", 6),
                ImageFormat.Avif => new VipsOperation("heifsave_buffer").Set("in", image).Set("compression", "av1").Set("Q", quality).Set("effort", 2),
                _ => throw new ArgumentException($"{format} is only read, not written.", nameof(format)),
            };
            return save.Set("keep", "none").Bytes()
                ?? throw new ArgumentException($"The picture of {picture.Width} x {picture.Height} cannot be written as {format}: {Vips.TakeError()}", nameof(picture));
        }
    }

    private static unsafe Picture Decode(ReadOnlyMemory<byte> file, int? longestSide, ImageLimits? limits)
    {
        limits ??= ImageLimits.Default;
        using var pin = file.Pin();
        using var time = ComputeTime.Measure(ComputeTime.Libvips);
        using var source = Open((byte*)pin.Pointer, file.Span, limits, longestSide);
        using var pixels = Srgb.Convert(source.Image, longestSide) ?? throw Damaged();
        try
        {
            var bytes = pixels.ReadPixels(limits.DecodeTime) ?? throw Damaged();
            return Orientation.Apply(new Picture(pixels.Width, pixels.Height, pixels.Bands, bytes), source.Image.Orientation);
        }
        catch (TimeoutException)
        {
            throw new PictureException(PictureError.DecodeTimeout, $"The picture was not decoded within {limits.DecodeTime.TotalSeconds:0.#} s. Scale it down or save it in another format and try again.");
        }
    }

    /// <summary>Finds the format, opens the header and holds the limits.</summary>
    private static unsafe Source Open(byte* data, ReadOnlySpan<byte> file, ImageLimits limits, int? longestSide)
    {
        limits.CheckBytes(file.Length);
        var format = FormatSniffer.Sniff(file);
        var image = Loader(format, data, file.Length).Image() ?? throw Damaged();
        try
        {
            var frames = format == ImageFormat.Png ? FormatSniffer.PngFrames(file) : image.Pages;
            limits.CheckHeader(image.Width, image.Height, frames);
            if (format == ImageFormat.Jpeg && longestSide is { } side && JpegShrink(image, side) is > 1 and var shrink)
            {
                image.Dispose();
                image = Loader(format, data, file.Length).Set("shrink", shrink).Image() ?? throw Damaged();
            }

            return new Source(format, image, frames);
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>libvips' stand: at least twice the wanted size stays for the good filter.</summary>
    private static int JpegShrink(VipsImage image, int longestSide) =>
        ((double)Math.Max(image.Width, image.Height) / longestSide) switch { >= 16 => 8, >= 8 => 4, >= 4 => 2, _ => 1 };

    private static unsafe VipsOperation Loader(ImageFormat format, byte* data, int length)
    {
        var name = format switch
        {
            ImageFormat.Jpeg => "jpegload_buffer",
            ImageFormat.Png => "pngload_buffer",
            ImageFormat.WebP => "webpload_buffer",
            ImageFormat.Avif => "heifload_buffer",
            ImageFormat.Gif => "gifload_buffer",
            _ => "tiffload_buffer",
        };
        return new VipsOperation(name).Set("buffer", data, length).Set("access", "sequential").Set("fail-on", "error");
    }

    private static PictureException Damaged() =>
        new(PictureError.Damaged, $"The picture is truncated or damaged ({Vips.TakeError()}). Open it in a picture editor, save it again and retry.");

    private sealed record Source(ImageFormat Format, VipsImage Image, int Frames) : IDisposable
    {
        public void Dispose() => Image.Dispose();
    }
}
