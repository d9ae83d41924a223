using System.Runtime.InteropServices;

namespace ImageSearch.Imaging.Native;

/// <summary>A reference to a VipsImage: a lazily evaluated picture. Memory that a loader reads from must outlive it.</summary>
internal sealed class VipsImage : SafeHandle
{
    public VipsImage(nint image) : base(0, ownsHandle: true) => SetHandle(image);

    public override bool IsInvalid => handle == 0;

    public int Width => Vips.Width(handle);

    public int Height => Vips.Height(handle);

    public int Bands => Vips.Bands(handle);

    /// <summary>VipsBandFormat; 0 is unsigned 8 bit.</summary>
    public int Format => Vips.Format(handle);

    public VipsInterpretation Interpretation => (VipsInterpretation)Vips.Interpretation(handle);

    public int Pages => Math.Max(1, Vips.Pages(handle));

    /// <summary>EXIF orientation, 1 to 8.</summary>
    public int Orientation => Math.Clamp(Vips.Orientation(handle), 1, 8);

    public bool HasAlpha => Vips.HasAlpha(handle) != 0;

    public bool HasField(string name) => Vips.FieldType(handle, name) != 0;

    public string? Text(string field) =>
        HasField(field) && Vips.FieldString(handle, field, out var text) == 0 ? Marshal.PtrToStringUTF8(text) : null;

    /// <summary>
    /// Computes the pixels (8 bit) from top to bottom in strips, which keeps loaders streaming and lets a deadline act between them.
    /// </summary>
    /// <returns>Width * Height * Bands bytes, or null when libvips reports an error.</returns>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    public unsafe byte[]? ReadPixels(TimeSpan limit)
    {
        const int stripRows = 64;
        var (width, height, bands) = (Width, Height, Bands);
        var started = TimeProvider.System.GetTimestamp();
        var region = Vips.RegionNew(handle);
        if (region == 0)
        {
            return null;
        }

        try
        {
            var pixels = GC.AllocateUninitializedArray<byte>(checked(width * height * bands));
            for (var top = 0; top < height; top += stripRows)
            {
                var rows = Math.Min(stripRows, height - top);
                var strip = Vips.RegionFetch(region, 0, top, width, rows, out var length);
                if (strip == 0)
                {
                    return null;
                }

                new ReadOnlySpan<byte>((void*)strip, checked((int)length)).CopyTo(pixels.AsSpan(top * width * bands));
                Vips.Free(strip);
                if (TimeProvider.System.GetElapsedTime(started) > limit)
                {
                    throw new TimeoutException();
                }
            }

            return pixels;
        }
        finally
        {
            Vips.Unref(region);
        }
    }

    protected override bool ReleaseHandle()
    {
        Vips.Unref(handle);
        return true;
    }
}

/// <summary>The interpretations of VipsInterpretation that are told apart here.</summary>
internal enum VipsInterpretation
{
    Multiband = 0,
    BlackWhite = 1,
    Lab = 13,
    Cmyk = 15,
    Srgb = 22,
    Rgb16 = 25,
    Grey16 = 26,
    ScRgb = 28,
}
