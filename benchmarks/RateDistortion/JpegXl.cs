using System.Diagnostics;
using System.Globalization;
using ImageSearch.Imaging;

namespace ImageSearch.Benchmarks.RateDistortion;

/// <summary>JPEG XL through the command-line tools of libjxl; times include starting them.</summary>
internal static class JpegXl
{
    public static bool Available { get; } = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(p => File.Exists(Path.Combine(p, "cjxl")));

    public static byte[] Encode(Picture picture, double distance) =>
        Run("cjxl", ImageFiles.Encode(picture, ImageFormat.Png), "png", "jxl", "-d", distance.ToString(CultureInfo.InvariantCulture), "-e", "7");

    public static Picture Decode(byte[] bytes) => ImageFiles.Decode(Run("djxl", bytes, "jxl", "png"));

    private static byte[] Run(string tool, byte[] input, string from, string to, params string[] options)
    {
        var folder = Directory.CreateTempSubdirectory("jxl");
        try
        {
            var (a, b) = (Path.Combine(folder.FullName, $"a.{from}"), Path.Combine(folder.FullName, $"b.{to}"));
            File.WriteAllBytes(a, input);
            using var process = Process.Start(new ProcessStartInfo(tool, [a, b, .. options]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            output.GetAwaiter().GetResult();
            return process.ExitCode == 0 ? File.ReadAllBytes(b) : throw new InvalidOperationException($"{tool}: {errors}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
