using System.Diagnostics;
using System.Globalization;
using ImageSearch.Imaging;

namespace ImageSearch.Benchmarks.RateDistortion;

/// <summary>Memory that one picture takes at most, in a process of its own: the system's highest resident size, with the codec opened and a tiny picture done before.</summary>
internal static class PeakMemory
{
    private const int Width = 3072, Height = 2048;

    /// <returns>MiB for one megapixel of a picture of 6.3; NaN where the system or the coder does not tell.</returns>
    public static double MibPerMegapixel(string[] arguments, string coder, bool decode)
    {
        if (!File.Exists("/proc/self/clear_refs") || coder == "JPEG XL")
        {
            return double.NaN;
        }

        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Host(), .. arguments, "--peak", coder, decode ? "decode" : "encode"]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? double.Parse(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], CultureInfo.InvariantCulture) : double.NaN;
    }

    /// <summary>What the child process does: prints the figure.</summary>
    public static void Report(Coder coder, IReadOnlyList<Picture> pictures, bool decode)
    {
        var setting = coder.Settings[coder.Settings.Length / 2];
        var large = Mosaic(pictures);
        var bytes = coder.Encode(pictures[0].Crop(0, 0, 64, 64), setting);
        coder.Decode(bytes);
        var stream = decode ? coder.Encode(large, setting) : [];
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

        // 5 puts the highest resident size back to the present one.
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = Kib("VmRSS:");
        GC.KeepAlive(decode ? coder.Decode(stream) : coder.Encode(large, setting));
        Console.WriteLine(((Kib("VmHWM:") - before) / 1024.0 / (Width * Height / 1e6)).ToString(CultureInfo.InvariantCulture));
    }

    private static string[] Host() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(PeakMemory).Assembly.Location] : [];

    /// <summary>Pictures side by side, again and again.</summary>
    private static Picture Mosaic(IReadOnlyList<Picture> pictures)
    {
        var pixels = new byte[Width * Height * 3];
        var side = (Width: pictures.Min(p => p.Width), Height: pictures.Min(p => p.Height));
        for (var y = 0; y < Height; y++)
        {
            for (var x = 0; x < Width; x += side.Width)
            {
                var p = pictures[((y / side.Height * 5) + (x / side.Width)) % pictures.Count];
                p.Pixels.AsSpan(y % side.Height * p.Width * 3, Math.Min(side.Width, Width - x) * 3).CopyTo(pixels.AsSpan(((y * Width) + x) * 3));
            }
        }

        return new(Width, Height, 3, pixels);
    }

    private static long Kib(string field) => long.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith(field, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
