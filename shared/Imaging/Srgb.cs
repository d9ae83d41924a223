using ImageSearch.Imaging.Native;

namespace ImageSearch.Imaging;

/// <summary>Whatever a loader gives, to 8-bit sRGB with 3 or 4 bands, scaled down on the way when asked for.</summary>
internal static class Srgb
{
    private const int Uchar = 0;

    /// <returns>Null when libvips refuses.</returns>
    public static VipsImage? Convert(VipsImage image, int? longestSide)
    {
        // Plain 8-bit pictures are scaled first: colour conversion then touches few pixels. With alpha or deep pixels the order must be the other one.
        var scaleFirst = image is { Format: Uchar, HasAlpha: false };
        var scale = longestSide is { } side && side < Math.Max(image.Width, image.Height) ? (double)side / Math.Max(image.Width, image.Height) : 1;
        return Chain(image,
            i => scaleFirst ? Scale(i, scale) : Same(i),
            ToSrgb,
            ToThreeOrFourBands,
            i => i.Format == Uchar ? Same(i) : new VipsOperation("cast").Set("in", i).Set("format", "uchar").Image(),
            i => scaleFirst ? Same(i) : ScaleWithAlpha(i, scale));
    }

    private static VipsImage? ToSrgb(VipsImage image)
    {
        var cmyk = image.Interpretation == VipsInterpretation.Cmyk;
        if (cmyk || image.HasField("icc-profile-data"))
        {
            // A broken or unfit profile falls back to the input profile named here.
            var converted = new VipsOperation("icc_transform").Set("in", image).Set("output-profile", "srgb")
                .Set("embedded", "true").Set("input-profile", cmyk ? "cmyk" : "srgb").Set("depth", 8).Image();
            if (converted is not null)
            {
                return converted;
            }

            _ = Vips.TakeError();
        }

        return image.Interpretation == VipsInterpretation.Srgb && image.Format == Uchar
            ? Same(image)
            : new VipsOperation("colourspace").Set("in", image).Set("space", "srgb").Image();
    }

    private static VipsImage? ToThreeOrFourBands(VipsImage image) => (image.Bands, image.HasAlpha) switch
    {
        (3, _) or (4, true) => Same(image),
        (1 or 2, _) => Chain(image,
            i => new VipsOperation("extract_band").Set("in", i).Set("band", 0).Image(),
            i => new VipsOperation("colourspace").Set("in", i).Set("space", "srgb").Set("source-space", "b-w").Image()),
        _ => new VipsOperation("extract_band").Set("in", image).Set("band", 0).Set("n", 3).Image(),
    };

    private static VipsImage? ScaleWithAlpha(VipsImage image, double scale) => scale >= 1 || image.Bands == 3 ? Scale(image, scale) : Chain(image,
        i => new VipsOperation("premultiply").Set("in", i).Image(),
        i => Scale(i, scale),
        i => new VipsOperation("unpremultiply").Set("in", i).Image(),
        i => new VipsOperation("cast").Set("in", i).Set("format", "uchar").Image());

    private static VipsImage? Scale(VipsImage image, double scale)
    {
        if (scale >= 1)
        {
            return Same(image);
        }

        // Each side is asked for as an exact ratio, so that a thin picture keeps at least one pixel.
        var width = Math.Max(1, (int)Math.Round(image.Width * scale, MidpointRounding.AwayFromZero));
        var height = Math.Max(1, (int)Math.Round(image.Height * scale, MidpointRounding.AwayFromZero));
        return new VipsOperation("resize").Set("in", image).Set("scale", (double)width / image.Width).Set("vscale", (double)height / image.Height).Image();
    }

    /// <summary>Runs steps one after the other and drops what lies between: libvips' images hold their own references.</summary>
    private static VipsImage? Chain(VipsImage image, params ReadOnlySpan<Func<VipsImage, VipsImage?>> steps)
    {
        var current = Same(image);
        foreach (var step in steps)
        {
            using var input = current;
            current = step(input);
            if (current is null)
            {
                return null;
            }
        }

        return current;
    }

    private static VipsImage Same(VipsImage image) => new(Vips.Ref(image.DangerousGetHandle()));
}
