using ImageSearch.Imaging;

namespace ImageSearch.Evaluation;

/// <summary>How near a decoded picture is to its original. Alpha is left out; both have the same size.</summary>
public static class PictureQuality
{
    // Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003: exponents of the five scales, window and constants.
    private static readonly double[] Exponents = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
    private const int Window = 11;
    private const double Sigma = 1.5, C1 = 0.01 * 255 * 0.01 * 255, C2 = 0.03 * 255 * 0.03 * 255;

    /// <summary>Smallest side that five scales leave a whole window of.</summary>
    public const int LeastSide = (Window - 1) * 16 + 1;

    /// <summary>Peak signal-to-noise ratio over the samples of all three colours, dB; 99 for equal pictures.</summary>
    public static double Psnr(Picture a, Picture b)
    {
        Check(a, b);
        long sum = 0;
        for (int i = 0, j = 0; i < a.Pixels.Length; i += a.Channels, j += b.Channels)
        {
            for (var c = 0; c < 3; c++)
            {
                var d = a.Pixels[i + c] - b.Pixels[j + c];
                sum += d * d;
            }
        }

        return sum == 0 ? 99 : 10 * Math.Log10(255.0 * 255 * 3 * a.Width * a.Height / sum);
    }

    /// <summary>
    /// Multi-scale structural similarity, 0 to 1: of each colour by itself, then the mean, as the literature on learned codecs has it. Halved by means of 2 x 2; an odd last row or
    /// column is left out.
    /// </summary>
    /// <returns>NaN for pictures with a side below <see cref="LeastSide"/>.</returns>
    public static double MsSsim(Picture a, Picture b)
    {
        Check(a, b);
        if (Math.Min(a.Width, a.Height) < LeastSide)
        {
            return double.NaN;
        }

        return Enumerable.Range(0, 3).Average(c =>
        {
            var (x, y, product) = (Plane.Of(a, c), Plane.Of(b, c), 1.0);
            for (var scale = 0; scale < Exponents.Length; scale++)
            {
                var (ssim, structure) = Similarity(x, y);
                var last = scale == Exponents.Length - 1;
                product *= Math.Pow(Math.Max(0, last ? ssim : structure), Exponents[scale]);
                (x, y) = last ? (x, y) : (x.Half(), y.Half());
            }

            return product;
        });
    }

    /// <summary>The scale on which curves of MS-SSIM are drawn: -10 log10(1 - MS-SSIM).</summary>
    public static double Decibels(double msSsim) => -10 * Math.Log10(Math.Max(1e-9, 1 - msSsim));

    /// <summary>Means over the windows that lie wholly inside: SSIM, and its contrast and structure part alone.</summary>
    private static (double Ssim, double Structure) Similarity(Plane x, Plane y)
    {
        var (mx, my) = (x.Blur(), y.Blur());
        var (xx, yy, xy) = (x.Times(x).Blur(), y.Times(y).Blur(), x.Times(y).Blur());
        var (ssim, structure) = (0.0, 0.0);
        for (var i = 0; i < mx.Values.Length; i++)
        {
            var (a, b) = (mx.Values[i], my.Values[i]);
            var cs = ((2 * (xy.Values[i] - (a * b))) + C2) / (xx.Values[i] - (a * a) + yy.Values[i] - (b * b) + C2);
            structure += cs;
            ssim += cs * ((2 * a * b) + C1) / ((a * a) + (b * b) + C1);
        }

        return (ssim / mx.Values.Length, structure / mx.Values.Length);
    }

    private static void Check(Picture a, Picture b)
    {
        if ((a.Width, a.Height) != (b.Width, b.Height))
        {
            throw new ArgumentException($"A picture of {a.Width} x {a.Height} cannot be compared with one of {b.Width} x {b.Height}.", nameof(b));
        }
    }

    private sealed record Plane(int Width, int Height, double[] Values)
    {
        private static readonly double[] Weights = Gaussian();

        public static Plane Of(Picture p, int channel) => new(p.Width, p.Height, [.. Enumerable.Range(0, p.Width * p.Height).Select(i => (double)p.Pixels[(i * p.Channels) + channel])]);

        public Plane Times(Plane other) => this with { Values = [.. Values.Zip(other.Values, (a, b) => a * b)] };

        public Plane Half()
        {
            var (width, height) = (Width / 2, Height / 2);
            var half = new double[width * height];
            for (var i = 0; i < half.Length; i++)
            {
                var at = (i / width * 2 * Width) + (i % width * 2);
                half[i] = (Values[at] + Values[at + 1] + Values[at + Width] + Values[at + Width + 1]) / 4;
            }

            return new(width, height, half);
        }

        /// <summary>Rows, then columns; without padding, so that the plane gets smaller.</summary>
        public Plane Blur()
        {
            var (width, height) = (Width - Window + 1, Height - Window + 1);
            var rows = new double[width * Height];
            for (var i = 0; i < rows.Length; i++)
            {
                var (from, sum) = ((i / width * Width) + (i % width), 0.0);
                for (var k = 0; k < Window; k++)
                {
                    sum += Weights[k] * Values[from + k];
                }

                rows[i] = sum;
            }

            var blurred = new double[width * height];
            for (var i = 0; i < blurred.Length; i++)
            {
                var sum = 0.0;
                for (var k = 0; k < Window; k++)
                {
                    sum += Weights[k] * rows[i + (k * width)];
                }

                blurred[i] = sum;
            }

            return new(width, height, blurred);
        }

        private static double[] Gaussian()
        {
            var weights = Enumerable.Range(0, Window).Select(i => Math.Exp(-(i - (Window / 2)) * (i - (Window / 2)) / (2 * Sigma * Sigma))).ToArray();
            return [.. weights.Select(w => w / weights.Sum())];
        }
    }
}
