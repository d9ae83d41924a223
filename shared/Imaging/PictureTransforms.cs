namespace ImageSearch.Imaging;

/// <summary>Filter of <see cref="PictureTransforms.Resize"/>; support widens with the shrink factor, so that nothing aliases.</summary>
public enum ResizeKernel
{
    Bilinear,

    /// <summary>Cubic convolution with a = -0.5 (Keys 1981), as CLIP's preprocessing has it.</summary>
    Bicubic,

    Lanczos3,
}

/// <summary>Pixels to pixels. Nothing is changed in place.</summary>
public static class PictureTransforms
{
    /// <summary>Scales both sides freely. Alpha is taken into account: transparent pixels do not bleed.</summary>
    public static Picture Resize(this Picture picture, int width, int height, ResizeKernel kernel = ResizeKernel.Lanczos3)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        return (width, height) == (picture.Width, picture.Height) ? picture : Resampler.Resize(picture, width, height, kernel);
    }

    /// <summary>Scales so that the longest side is at most <paramref name="longestSide"/>; never enlarges.</summary>
    public static Picture FitWithin(this Picture picture, int longestSide)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(longestSide, 1);
        var longest = Math.Max(picture.Width, picture.Height);
        return longest <= longestSide ? picture : picture.Resize(Side(picture.Width), Side(picture.Height));

        int Side(int side) => Math.Max(1, (int)Math.Round((double)side * longestSide / longest, MidpointRounding.AwayFromZero));
    }

    /// <summary>Cuts out a rectangle.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not lie within the picture.</exception>
    public static Picture Crop(this Picture picture, int x, int y, int width, int height)
    {
        if (x < 0 || y < 0 || width < 1 || height < 1 || width > picture.Width - x || height > picture.Height - y)
        {
            throw new ArgumentOutOfRangeException(nameof(width), $"{width} x {height} at ({x}, {y}) is not within {picture.Width} x {picture.Height}");
        }

        if ((width, height) == (picture.Width, picture.Height))
        {
            return picture;
        }

        var pixels = new byte[width * height * picture.Channels];
        for (var row = 0; row < height; row++)
        {
            picture.Pixels.AsSpan(((((y + row) * picture.Width) + x) * picture.Channels), width * picture.Channels).CopyTo(pixels.AsSpan(row * width * picture.Channels));
        }

        return new Picture(width, height, picture.Channels, pixels);
    }

    /// <summary>Blends over a colour and drops alpha; a picture without alpha comes back as it is.</summary>
    public static Picture Flatten(this Picture picture, byte r, byte g, byte b)
    {
        if (picture.Channels == 3)
        {
            return picture;
        }

        var pixels = new byte[picture.Width * picture.Height * 3];
        var from = picture.Pixels;
        for (int i = 0, o = 0; o < pixels.Length; i += 4, o += 3)
        {
            int a = from[i + 3];
            pixels[o] = Blend(from[i], r, a);
            pixels[o + 1] = Blend(from[i + 1], g, a);
            pixels[o + 2] = Blend(from[i + 2], b, a);
        }

        return new Picture(picture.Width, picture.Height, 3, pixels);

        static byte Blend(int over, int under, int alpha) => (byte)(((over * alpha) + (under * (255 - alpha)) + 127) / 255);
    }
}
