using System.Security.Cryptography;

namespace ImageSearch.Compression.Tests;

/// <summary>
/// What one process makes of the integer part, as lines to compare with another's: its instruction set, hashes of the symbols of each golden
/// stream, hashes of streams coded from latents made by formula, and a decoded picture. <c>dotnet ImageSearch.Compression.Tests.dll FOLDER</c> prints it.
/// </summary>
public static class IntegerReport
{
    public static int Main(string[] args)
    {
        foreach (var line in Lines(args[0]))
        {
            Console.WriteLine(line);
        }

        return 0;
    }

    internal static IEnumerable<string> Lines(string folder)
    {
        yield return IntegerKernels.Best.ToString();
        using var codec = LicCodec.Open(TestModel.ModelsDirectory, threads: 1);
        var streams = Directory.GetFiles(folder, "*.lic").Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToList();
        foreach (var stream in streams)
        {
            yield return Convert.ToHexStringLower(codec.HashSymbols(stream));
        }

        const int Rows = 3, Columns = 5;
        var model = TestModel.Entropy;
        foreach (var threads in new[] { 1, 2 })
        {
            foreach (var rate in new[] { 0, 777, EntropyModel.MaxRate })
            {
                var noise = (uint)rate;
                var y = new float[Rows * Columns * 16 * model.Channels];
                for (var i = 0; i < y.Length; i++)
                {
                    // Sixteenths are exact in float; the distribution has a sharp peak and far outliers, as latents do.
                    noise = (noise * 1664525) + 1013904223;
                    var v = (int)(noise >> 22) - 512;
                    y[i] = v * Math.Abs(v) / 4096 / 16f * (noise % 97 == 0 ? 60 : 1);
                }

                var z = new short[Rows * Columns * model.ZChannels];
                for (var i = 0; i < z.Length; i++)
                {
                    noise = (noise * 1664525) + 1013904223;
                    z[i] = (short)((noise >> 28) - 8);
                }

                var coder = new LatentCoder(model, threads, IntegerKernels.Best);
                var (written, read) = (new short[y.Length], new short[y.Length]);
                var bytes = coder.Encode(y, z, Rows, Columns, rate, written, default);
                coder.Decode(bytes, Rows, Columns, rate, read, default);
                yield return $"{Convert.ToHexStringLower(SHA256.HashData(bytes))} {written.AsSpan().SequenceEqual(read)}";
            }
        }

        yield return Convert.ToBase64String(codec.Decode(streams[^1]).Pixels);
    }
}
