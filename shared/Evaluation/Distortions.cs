using ImageSearch.Imaging;

namespace ImageSearch.Evaluation;

/// <summary>What happens to pictures on their way to a query: sent again with losses, cut, turned, photographed badly.</summary>
public static class Distortions
{
    /// <summary>Name and change, from a decoded picture to the bytes of a file. Equal pictures give equal bytes.</summary>
    public static IReadOnlyList<(string Name, Func<Picture, byte[]> Apply)> All { get; } =
    [
        ("none (PNG)", Png),
        ("JPEG quality 10", p => ImageFiles.Encode(Opaque(p), ImageFormat.Jpeg, 10)),
        ("blur, sigma 2 px", p => Png(Blur(Opaque(p), 2))),
        ("noise, sigma 25 of 255", p => Png(Noise(Opaque(p), 25))),
        ("crop, middle 70 % of each side", p => Png(Middle(p, 0.7))),
        ("rotation by 15 degrees, cropped", p => Png(Rotate(Opaque(p), 15))),
        ("greyscale", p => Png(Grey(Opaque(p)))),
        ("rescaled to a third", p => Png(p.Resize(Math.Max(1, p.Width / 3), Math.Max(1, p.Height / 3)))),
    ];

    public static Picture Middle(Picture p, double share)
    {
        var (width, height) = (Math.Max(1, (int)(p.Width * share)), Math.Max(1, (int)(p.Height * share)));
        return p.Crop((p.Width - width) / 2, (p.Height - height) / 2, width, height);
    }

    /// <summary>Luma of BT.601 in all three channels.</summary>
    public static Picture Grey(Picture p) => Map(p, (pixels, x, y, _) =>
    {
        var i = ((y * p.Width) + x) * 3;
        return (0.299 * pixels[i]) + (0.587 * pixels[i + 1]) + (0.114 * pixels[i + 2]);
    });

    /// <summary>Normal noise, the same for each picture size.</summary>
    public static Picture Noise(Picture p, double sigma)
    {
        var random = new Random(1);
        return Map(p, (pixels, x, y, c) =>
            pixels[(((y * p.Width) + x) * 3) + c] + (sigma * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())));
    }

    /// <summary>Gaussian blur, first along rows, then along columns; border pixels are repeated.</summary>
    public static Picture Blur(Picture p, double sigma)
    {
        var radius = (int)Math.Ceiling(3 * sigma);
        var kernel = Enumerable.Range(-radius, (2 * radius) + 1).Select(d => Math.Exp(-d * d / (2 * sigma * sigma))).ToArray();
        var sum = kernel.Sum();
        double Along(byte[] pixels, int x, int y, int c, int dx, int dy)
        {
            var value = 0.0;
            for (var d = -radius; d <= radius; d++)
            {
                var (sx, sy) = (Math.Clamp(x + (d * dx), 0, p.Width - 1), Math.Clamp(y + (d * dy), 0, p.Height - 1));
                value += kernel[d + radius] * pixels[(((sy * p.Width) + sx) * 3) + c];
            }

            return value / sum;
        }

        var rows = Map(p, (pixels, x, y, c) => Along(pixels, x, y, c, 1, 0));
        return Map(rows, (pixels, x, y, c) => Along(pixels, x, y, c, 0, 1));
    }

    /// <summary>Turned about its middle with bilinear interpolation, then cut to the middle, so that no empty corner is left at 15 degrees and usual shapes.</summary>
    public static Picture Rotate(Picture p, double degrees)
    {
        var (sin, cos) = Math.SinCos(degrees * Math.PI / 180);
        var (mx, my) = ((p.Width - 1) / 2.0, (p.Height - 1) / 2.0);
        var turned = Map(p, (pixels, x, y, c) =>
        {
            var (dx, dy) = (x - mx, y - my);
            var sx = Math.Clamp((cos * dx) + (sin * dy) + mx, 0, p.Width - 1);
            var sy = Math.Clamp((cos * dy) - (sin * dx) + my, 0, p.Height - 1);
            var (x0, y0) = ((int)sx, (int)sy);
            var (x1, y1) = (Math.Min(x0 + 1, p.Width - 1), Math.Min(y0 + 1, p.Height - 1));
            double At(int px, int py) => pixels[(((py * p.Width) + px) * 3) + c];
            var (fx, fy) = (sx - x0, sy - y0);
            return ((1 - fy) * (((1 - fx) * At(x0, y0)) + (fx * At(x1, y0)))) + (fy * (((1 - fx) * At(x0, y1)) + (fx * At(x1, y1))));
        });
        return Middle(turned, 0.7);
    }

    private static byte[] Png(Picture p) => ImageFiles.Encode(p, ImageFormat.Png);

    private static Picture Opaque(Picture p) => p.Flatten(255, 255, 255);

    private static Picture Map(Picture p, Func<byte[], int, int, int, double> value)
    {
        var pixels = new byte[p.Width * p.Height * 3];
        for (int y = 0, i = 0; y < p.Height; y++)
        {
            for (var x = 0; x < p.Width; x++)
            {
                for (var c = 0; c < 3; c++)
                {
                    pixels[i++] = (byte)Math.Clamp(Math.Round(value(p.Pixels, x, y, c)), 0, 255);
                }
            }
        }

        return new Picture(p.Width, p.Height, 3, pixels);
    }
}
