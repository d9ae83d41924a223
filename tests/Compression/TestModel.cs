using ImageSearch.Imaging;

namespace ImageSearch.Compression.Tests;

/// <summary>The shipped codec, opened once, and pictures made by formula: no test reads a data set.</summary>
public sealed class TestModel : IDisposable
{
    public LicCodec Codec { get; } = LicCodec.Open(ModelsDirectory, threads: 2);

    public static string Root { get; } = FindRoot();

    public static string ModelsDirectory => Path.Combine(Root, "models");

    internal static EntropyModel Entropy { get; } = new(File.ReadAllBytes(Path.Combine(ModelsDirectory, "lic-lot/2/entropy.bin")));

    /// <summary>Smooth colours, edges and some texture, the same on every machine (integers only).</summary>
    public static Picture Picture(int width, int height, int channels = 3, int seed = 1)
    {
        var pixels = new byte[width * height * channels];
        var noise = (uint)seed;
        for (int y = 0, i = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++, i += channels)
            {
                noise = (noise * 1664525) + 1013904223;
                var texture = (((x / 7) ^ (y / 5)) & 3) * 9 + (int)(noise >> 28);
                var disc = ((x - (width / 2)) * (x - (width / 2))) + ((y - (height / 2)) * (y - (height / 2))) < Math.Min(width, height) * Math.Min(width, height) / 9;
                pixels[i] = (byte)Math.Min(255, (x * 160 / width) + texture + (disc ? 60 : 0));
                pixels[i + 1] = (byte)Math.Min(255, (y * 160 / height) + texture);
                pixels[i + 2] = (byte)Math.Min(255, 120 - ((x + y) * 60 / (width + height)) + texture + (disc ? 0 : 40));
                if (channels == 4)
                {
                    pixels[i + 3] = (byte)(disc ? 255 : x * 255 / width);
                }
            }
        }

        return new Picture(width, height, channels, pixels);
    }

    public void Dispose() => Codec.Dispose();

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ImageSearch.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("ImageSearch.sln is in no folder above the tests.");
        }

        return folder;
    }
}
