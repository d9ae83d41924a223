using ImageSearch.Imaging;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Pictures drawn by a seed: smooth colours, discs and some noise, as JPEG of about the size of a photo's. No two seeds give the same bytes.</summary>
public static class DrawnPictures
{
    public static byte[] Jpeg(int seed, int width, int height)
    {
        var random = new Random(seed);
        var (fx, fy, shift) = (random.NextDouble() * 9, random.NextDouble() * 9, random.NextDouble() * 6);
        var across = Enumerable.Range(0, width).Select(x => (int)(128 + (90 * Math.Sin((fx * x / width) + shift)))).ToArray();
        var down = Enumerable.Range(0, height).Select(y => (int)(128 + (90 * Math.Cos((fy * y / height) + shift)))).ToArray();
        var pixels = new byte[width * height * 3];
        for (int y = 0, i = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++, i += 3)
            {
                (pixels[i], pixels[i + 1], pixels[i + 2]) = ((byte)across[x], (byte)down[y], (byte)((across[x] + (3 * down[y])) / 4));
            }
        }

        for (var disc = 0; disc < 12; disc++)
        {
            var (cx, cy, radius, colour) = (random.Next(width), random.Next(height), random.Next(height / 48, height / 5), random.Next(1 << 24));
            for (var y = Math.Max(0, cy - radius); y < Math.Min(height, cy + radius); y++)
            {
                var half = (int)Math.Sqrt((radius * radius) - ((y - cy) * (y - cy)));
                for (var x = Math.Max(0, cx - half); x < Math.Min(width, cx + half); x++)
                {
                    var i = ((y * width) + x) * 3;
                    (pixels[i], pixels[i + 1], pixels[i + 2]) = ((byte)colour, (byte)(colour >> 8), (byte)(colour >> 16));
                }
            }
        }

        var noise = new byte[pixels.Length];
        random.NextBytes(noise);
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)Math.Clamp(pixels[i] + (noise[i] % 13) - 6, 0, 255);
        }

        return ImageFiles.Encode(new Picture(width, height, 3, pixels), ImageFormat.Jpeg, 85);
    }

    /// <summary>Many at once, ahead of a measurement.</summary>
    public static byte[][] Jpegs(int seed, int count, int width, int height)
    {
        var files = new byte[count][];
        Parallel.For(0, count, i => files[i] = Jpeg(seed + i, width, height));
        return files;
    }
}
