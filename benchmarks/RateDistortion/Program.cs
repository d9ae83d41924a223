// Rate and distortion by the sizes of real files: the learned codec against JPEG, WebP and AVIF (as this product's libvips writes them) and,
// where cjxl and djxl are on the PATH, JPEG XL.
//
//   dotnet run -c Release --project benchmarks/RateDistortion -- FOLDER_OF_PNG [--model lic-lot/1] [--models models] [--threads 0] [--out FILE.md] [--lic-only]
using System.Diagnostics;
using System.Globalization;
using ImageSearch.Benchmarks.RateDistortion;
using ImageSearch.Compression;
using ImageSearch.Imaging;

string Option(string name, string fallback) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : fallback;
var files = Directory.GetFiles(args[0], "*.png").Order(StringComparer.Ordinal).ToList();
var pictures = files.Select(f => ImageFiles.Decode(File.ReadAllBytes(f)) is { Channels: 4 } p ? p.Flatten(255, 255, 255) : ImageFiles.Decode(File.ReadAllBytes(f))).ToList();
using var codec = LicCodec.Open(Option("--models", "models"), Option("--model", "lic-lot/1"), int.Parse(Option("--threads", "0"), CultureInfo.InvariantCulture));

var curves = new Dictionary<string, List<Point>>
{
    [codec.ModelId] = Measure([1, 2, 3, 4, 5, 6, 7, 8], (p, q) => codec.Encode(p, (float)q), b => codec.Decode(b)),
};
if (!args.Contains("--lic-only"))
{
    foreach (var (name, format, qualities) in new[]
    {
        ("JPEG", ImageFormat.Jpeg, new double[] { 5, 10, 20, 35, 50, 65, 80, 89 }),
        ("WebP", ImageFormat.WebP, [1, 10, 25, 45, 65, 80, 90, 96]),
        ("AVIF", ImageFormat.Avif, [12, 25, 38, 50, 60, 70, 80, 89]),
    })
    {
        curves[name] = Measure(qualities, (p, q) => ImageFiles.Encode(p, format, (int)q), b => ImageFiles.Decode(b));
    }

    if (JpegXl.Available)
    {
        curves["JPEG XL"] = Measure([12, 8, 5, 3.5, 2.2, 1.4, 0.9], JpegXl.Encode, JpegXl.Decode);
    }
}

var report = Report();
Console.Write(report);
if (Option("--out", "") is { Length: > 0 } path)
{
    File.WriteAllText(path, report);
}

List<Point> Measure(double[] settings, Func<Picture, double, byte[]> encode, Func<byte[], Picture> decode)
{
    var points = new List<Point>();
    foreach (var s in settings)
    {
        decode(encode(pictures[0], s));
        var (bpp, psnr, encodeMs, decodeMs) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        foreach (var p in pictures)
        {
            var start = Stopwatch.GetTimestamp();
            var bytes = encode(p, s);
            encodeMs.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            start = Stopwatch.GetTimestamp();
            var back = decode(bytes);
            decodeMs.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            bpp.Add(bytes.Length * 8.0 / (p.Width * p.Height));
            psnr.Add(Psnr(p, back));
        }

        points.Add(new Point(s, bpp.Average(), psnr.Average(), encodeMs.Order().ElementAt(encodeMs.Count / 2), decodeMs.Order().ElementAt(decodeMs.Count / 2)));
        Console.Error.WriteLine(points[^1]);
    }

    return points;
}

// PSNR over all three channels of RGB; the means over pictures are of decibels, as the literature has it.
static double Psnr(Picture a, Picture b)
{
    long sum = 0;
    for (int i = 0, x = 0, y = 0; i < a.Width * a.Height; i++, x += a.Channels, y += b.Channels)
    {
        for (var c = 0; c < 3; c++)
        {
            var d = a.Pixels[x + c] - b.Pixels[y + c];
            sum += d * d;
        }
    }

    return 10 * Math.Log10(255.0 * 255 * 3 * a.Width * a.Height / Math.Max(1, sum));
}

string Report()
{
    var text = new StringWriter(CultureInfo.InvariantCulture);
    text.WriteLine(FormattableString.Invariant($"# Rate and distortion, {DateTime.UtcNow:yyyy-MM-dd}\n"));
    text.WriteLine($"{pictures.Count} pictures of {Path.GetFileName(Path.GetFullPath(args[0]))}, all bytes of each file counted, PSNR over RGB. Times: median of one picture on {Environment.ProcessorCount} cores, which other work shared. JPEG, WebP and AVIF as ImageSearch.Imaging writes them (libvips; 4:2:0 below quality 90; AVIF effort 2, WebP effort 3).\n");
    text.WriteLine("| codec | setting | bpp | PSNR dB | encode ms | decode ms |\n|---|---|---|---|---|---|");
    foreach (var (name, points) in curves)
    {
        foreach (var p in points)
        {
            text.WriteLine(FormattableString.Invariant($"| {name} | {p.Setting} | {p.Bpp:f4} | {p.Psnr:f2} | {p.EncodeMs:f0} | {p.DecodeMs:f0} |"));
        }
    }

    text.WriteLine("\nBD-rate of the row against the column, percent (negative: fewer bits for the same PSNR):\n");
    text.WriteLine($"| | {string.Join(" | ", curves.Keys)} |\n|---|{string.Concat(Enumerable.Repeat("---|", curves.Count))}");
    foreach (var (name, points) in curves)
    {
        text.WriteLine($"| {name} | {string.Join(" | ", curves.Values.Select(other => BdRate.Percent(other, points).ToString("+0.0;-0.0;0", CultureInfo.InvariantCulture)))} |");
    }

    return text.ToString();
}
