using ImageSearch.Imaging;

namespace ImageSearch.Journeys.Tests;

/// <summary>Pictures drawn by a seed: smooth colours with some shapes, each different.</summary>
public static class TestPictures
{
    public static byte[] Jpeg(int seed, int width = 320, int height = 240)
    {
        var random = new Random(seed);
        var (fx, fy, shift) = (random.NextDouble() * 6, random.NextDouble() * 6, random.Next(256));
        var circles = Enumerable.Range(0, 6).Select(_ => (X: random.Next(width), Y: random.Next(height), R: random.Next(10, 60), Colour: random.Next(1 << 24))).ToArray();
        var pixels = new byte[width * height * 3];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var i = ((y * width) + x) * 3;
                pixels[i] = (byte)(128 + (100 * Math.Sin((fx * x / width) + shift)));
                pixels[i + 1] = (byte)(128 + (100 * Math.Cos((fy * y / height) + shift)));
                pixels[i + 2] = (byte)shift;
                foreach (var c in circles)
                {
                    if (((x - c.X) * (x - c.X)) + ((y - c.Y) * (y - c.Y)) < c.R * c.R)
                    {
                        (pixels[i], pixels[i + 1], pixels[i + 2]) = ((byte)c.Colour, (byte)(c.Colour >> 8), (byte)(c.Colour >> 16));
                    }
                }
            }
        }

        return ImageFiles.Encode(new Picture(width, height, 3, pixels), ImageFormat.Jpeg, 90);
    }
}
