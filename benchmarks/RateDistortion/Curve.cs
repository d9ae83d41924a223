using System.Diagnostics;
using ImageSearch.Evaluation;
using ImageSearch.Imaging;

namespace ImageSearch.Benchmarks.RateDistortion;

/// <param name="MsSsim">NaN where a picture is too small for five scales.</param>
/// <param name="EncodeMs">Of one megapixel, median of the pictures.</param>
internal sealed record Point(double Setting, double Bpp, double Psnr, double MsSsim, double EncodeMs, double DecodeMs);

/// <summary>One way of storing pictures, over its settings.</summary>
internal sealed record Coder(string Name, double[] Settings, Func<Picture, double, byte[]> Encode, Func<byte[], Picture> Decode)
{
    /// <summary>Means over the pictures: of sizes of real files, of decibels and of MS-SSIM, as the literature has it.</summary>
    public IReadOnlyList<Point> Measure(IReadOnlyList<Picture> pictures)
    {
        var points = new List<Point>();
        foreach (var setting in Settings)
        {
            Decode(Encode(pictures[0], setting));
            var rows = pictures.Select(p =>
            {
                var start = Stopwatch.GetTimestamp();
                var bytes = Encode(p, setting);
                var encode = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                start = Stopwatch.GetTimestamp();
                var back = Decode(bytes);
                var decode = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                var megapixels = p.Width * p.Height / 1e6;
                return new Point(setting, bytes.Length * 8 / 1e6 / megapixels, PictureQuality.Psnr(p, back), PictureQuality.MsSsim(p, back),
                    encode / megapixels, decode / megapixels);
            }).ToList();
            points.Add(new(setting, rows.Average(r => r.Bpp), rows.Average(r => r.Psnr), rows.Average(r => r.MsSsim), Median(rows.Select(r => r.EncodeMs)), Median(rows.Select(r => r.DecodeMs))));
            Console.Error.WriteLine($"{Name} {points[^1]}");
        }

        return points;
    }

    private static double Median(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;
}
