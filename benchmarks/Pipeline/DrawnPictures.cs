using ImageSearch.Imaging;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Pictures drawn by a seed: smooth colours, discs and some noise, 640 x 480, JPEG of about the size of a photo's. No two seeds give the same bytes.</summary>
public static class DrawnPictures
{
    public const int Width = 640, Height = 480;

    public static byte[] Jpeg(int seed)
    {
        var random = new Random(seed);
        var (fx, fy, shift) = (random.NextDouble() * 9, random.NextDouble() * 9, random.NextDouble() * 6);
        var discs = Enumerable.Range(0, 12).Select(_ => (X: random.Next(Width), Y: random.Next(Height), R: random.Next(10, 90), Colour: random.Next(1 << 24))).ToArray();
        var pixels = new byte[Width * Height * 3];
        for (int y = 0, i = 0; y < Height; y++)
        {
            for (var x = 0; x < Width; x++, i += 3)
            {
                var colour = -1;
                foreach (var d in discs)
                {
                    colour = ((x - d.X) * (x - d.X)) + ((y - d.Y) * (y - d.Y)) < d.R * d.R ? d.Colour : colour;
                }

                var noise = random.Next(-6, 7);
                var smooth = (R: 128 + (90 * Math.Sin((fx * x / Width) + shift)), G: 128 + (90 * Math.Cos((fy * y / Height) + shift)), B: 128 + (90 * Math.Sin(((fx * x) + (fy * y)) / (Width + Height))));
                pixels[i] = Clamp((colour < 0 ? smooth.R : colour & 255) + noise);
                pixels[i + 1] = Clamp((colour < 0 ? smooth.G : (colour >> 8) & 255) + noise);
                pixels[i + 2] = Clamp((colour < 0 ? smooth.B : colour >> 16) + noise);
            }
        }

        return ImageFiles.Encode(new Picture(Width, Height, 3, pixels), ImageFormat.Jpeg, 85);
    }

    private static byte Clamp(double value) => (byte)Math.Clamp(value, 0, 255);
}
