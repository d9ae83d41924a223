using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace ImageSearch.Imaging;

/// <summary>
/// Separable convolution resize: horizontally, rounded to 8 bit, then vertically, with pixel centres at half integers and the kernel stretched by the
/// shrink factor. This is what Pillow does (and so what CLIP's published preprocessing does); results differ from it by at most one level.
/// </summary>
internal static class Resampler
{
    public static Picture Resize(Picture picture, int width, int height, ResizeKernel kernel)
    {
        if (picture.Channels == 4)
        {
            var scaled = Scale(Premultiply(picture), width, height, kernel);
            Unpremultiply(scaled.Pixels);
            return scaled;
        }

        return Scale(picture, width, height, kernel);
    }

    private static Picture Scale(Picture picture, int width, int height, ResizeKernel kernel)
    {
        var channels = picture.Channels;
        var rows = new Taps(picture.Height, height, kernel);
        var wide = width == picture.Width ? picture.Pixels : Horizontal(picture, width, new Taps(picture.Width, width, kernel));
        if (height == picture.Height)
        {
            return new Picture(width, height, channels, wide);
        }

        // Vertical: whole rows at once, weighted and added as vectors.
        var stride = width * channels;
        var pixels = new byte[stride * height];
        var (line, sum) = (new float[stride], new float[stride]);
        for (var y = 0; y < height; y++)
        {
            Array.Fill(sum, 0.5f);
            var weights = rows.Weights(y);
            for (var k = 0; k < weights.Length; k++)
            {
                TensorPrimitives.ConvertTruncating<byte, float>(wide.AsSpan((rows.First(y) + k) * stride, stride), line);
                TensorPrimitives.MultiplyAdd(line, weights[k], sum, sum);
            }

            TensorPrimitives.ConvertSaturating<float, byte>(sum, pixels.AsSpan(y * stride, stride));
        }

        return new Picture(width, height, channels, pixels);
    }

    private static byte[] Horizontal(Picture picture, int width, Taps columns)
    {
        var channels = picture.Channels;
        var pixels = new byte[width * picture.Height * channels];

        // One vector holds a pixel. Of three channels the fourth lane is the next pixel's first, which nobody reads; the last pixel has one number behind it.
        var line = new float[(picture.Width * channels) + 4 - channels];
        var row = line.AsSpan(0, picture.Width * channels);
        for (var y = 0; y < picture.Height; y++)
        {
            TensorPrimitives.ConvertTruncating<byte, float>(picture.Pixels.AsSpan(y * row.Length, row.Length), row);
            var o = y * width * channels;
            for (var x = 0; x < width; x++)
            {
                var sum = Vector128.Create(0.5f);
                var i = columns.First(x) * channels;
                foreach (var weight in columns.Weights(x))
                {
                    sum += weight * Vector128.Create(line.AsSpan(i, 4));
                    i += channels;
                }

                var clamped = Vector128.ConvertToInt32(Vector128.Min(Vector128.Max(sum, Vector128<float>.Zero), Vector128.Create(255f)));
                for (var c = 0; c < channels; c++)
                {
                    pixels[o++] = (byte)clamped[c];
                }
            }
        }

        return pixels;
    }

    private static Picture Premultiply(Picture picture)
    {
        var pixels = (byte[])picture.Pixels.Clone();
        for (var i = 0; i < pixels.Length; i += 4)
        {
            int a = pixels[i + 3];
            for (var c = 0; c < 3; c++)
            {
                pixels[i + c] = (byte)(((pixels[i + c] * a) + 127) / 255);
            }
        }

        return new Picture(picture.Width, picture.Height, 4, pixels);
    }

    private static void Unpremultiply(byte[] pixels)
    {
        for (var i = 0; i < pixels.Length; i += 4)
        {
            int a = pixels[i + 3];
            for (var c = 0; c < 3 && a is > 0 and < 255; c++)
            {
                pixels[i + c] = (byte)Math.Min(255, ((pixels[i + c] * 255) + (a / 2)) / a);
            }
        }
    }

    /// <summary>For each output position: the first input position and the weights from there on, which sum to 1.</summary>
    private sealed class Taps
    {
        private readonly int[] first;
        private readonly float[][] weights;

        public Taps(int from, int to, ResizeKernel kernel)
        {
            first = new int[to];
            weights = new float[to][];
            var scale = (double)from / to;
            var stretch = Math.Max(1, scale);
            var support = stretch * kernel switch { ResizeKernel.Bilinear => 1, ResizeKernel.Bicubic => 2, _ => 3 };
            for (var i = 0; i < to; i++)
            {
                var centre = (i + 0.5) * scale;
                var start = Math.Max(0, (int)(centre - support + 0.5));
                var end = Math.Min(from, (int)(centre + support + 0.5));
                var taps = new double[end - start];
                for (var k = 0; k < taps.Length; k++)
                {
                    taps[k] = Weight((start + k - centre + 0.5) / stretch, kernel);
                }

                var sum = taps.Sum();
                first[i] = start;
                weights[i] = Array.ConvertAll(taps, t => (float)(t / sum));
            }
        }

        public int First(int i) => first[i];

        public float[] Weights(int i) => weights[i];

        private static double Weight(double x, ResizeKernel kernel)
        {
            x = Math.Abs(x);
            return kernel switch
            {
                ResizeKernel.Bilinear => x < 1 ? 1 - x : 0,
                ResizeKernel.Bicubic => x < 1 ? (((1.5 * x) - 2.5) * x * x) + 1 : x < 2 ? ((((-0.5 * x) + 2.5) * x) - 4) * x + 2 : 0,
                _ => x < 3 ? Sinc(x) * Sinc(x / 3) : 0,
            };
        }

        private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);
    }
}
