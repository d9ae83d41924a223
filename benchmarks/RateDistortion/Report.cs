using System.Globalization;
using ImageSearch.Evaluation;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Benchmarks.RateDistortion;

/// <summary>Tables and plots.</summary>
internal static class Report
{
    /// <param name="memory">By coder: MiB of one megapixel to encode and to decode.</param>
    public static string Markdown(
        RunOrigin origin, string pictures, IReadOnlyDictionary<string, IReadOnlyList<Point>> curves, IReadOnlyDictionary<string, (double Encode, double Decode)> memory, IEnumerable<string> plots)
    {
        var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine($"# Rate and distortion, {origin.Date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}\n\n{origin.ToMarkdown()}\n");
        text.WriteLine($"{pictures}, all bytes of each file counted; PSNR over RGB, MS-SSIM (Wang et al. 2003) the mean of the three colours. Times: median of the pictures, for one megapixel. JPEG, WebP and AVIF as ImageSearch.Imaging writes them (libvips; 4:2:0 below quality 90; AVIF effort 2, WebP effort 3). JPEG XL is the system's `cjxl -e 7`, starting the tools included.\n");
        text.WriteLine("| codec | setting | bpp | PSNR dB | MS-SSIM | MS-SSIM dB | encode ms/MP | decode ms/MP |\n|---|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var (name, points) in curves)
        {
            foreach (var p in points)
            {
                text.WriteLine(FormattableString.Invariant($"| {name} | {p.Setting} | {p.Bpp:f4} | {p.Psnr:f2} | {p.MsSsim:f4} | {PictureQuality.Decibels(p.MsSsim):f2} | {p.EncodeMs:f0} | {p.DecodeMs:f0} |"));
            }
        }

        Rates(text, "PSNR", curves, p => new(p.Bpp, p.Psnr));
        Rates(text, "MS-SSIM", curves, p => new(p.Bpp, PictureQuality.Decibels(p.MsSsim)));
        text.WriteLine("\nMemory for one megapixel, in a picture of 6.3 that is coded in a process of its own: highest resident size above that of the opened codec.\n");
        var table = new MarkdownTable("codec", "encode MiB/MP", "decode MiB/MP");
        foreach (var (name, (encode, decode)) in memory)
        {
            table.Add(name, encode, decode);
        }

        text.Write(table);
        foreach (var plot in plots)
        {
            text.WriteLine($"\n![{Path.GetFileNameWithoutExtension(plot)}]({Path.GetFileName(plot)})");
        }

        return text.ToString();
    }

    public static string Plot(string measure, IReadOnlyDictionary<string, IReadOnlyList<Point>> curves, Func<Point, double> quality) => new LinePlot(
        $"{measure} over rate", "bits per pixel", $"{measure}, dB", [.. curves.Select(c => new PlotLine(c.Key, [.. c.Value.Where(p => p.Bpp <= 2.5).Select(p => (p.Bpp, quality(p)))]))]).ToSvg();

    private static void Rates(TextWriter text, string measure, IReadOnlyDictionary<string, IReadOnlyList<Point>> curves, Func<Point, RatePoint> point)
    {
        text.WriteLine($"\nBD-rate of the row against the column, percent (negative: fewer bits for the same {measure}):\n");
        text.WriteLine($"| | {string.Join(" | ", curves.Keys)} |\n|---|{string.Concat(Enumerable.Repeat("---:|", curves.Count))}");
        foreach (var (name, points) in curves)
        {
            text.WriteLine($"| {name} | {string.Join(" | ", curves.Values.Select(other => BdRate.Percent(other.Select(point), points.Select(point)).ToString("+0.0;-0.0;0", CultureInfo.InvariantCulture)))} |");
        }
    }
}
