// Rate and distortion by the sizes of real files: the learned codec against JPEG, WebP and AVIF (as this product's libvips writes them) and,
// where cjxl and djxl are on the PATH, JPEG XL.
//
//   dotnet run -c Release --project benchmarks/RateDistortion -- FOLDER_OF_PNG [--model models/lic-lot/2] [--threads 0] [--out benchmarks/results] [--lic-only]
//
// --model is a model's folder. --out is a folder; without it the report goes to the console only.
using System.Globalization;
using ImageSearch.Benchmarks.RateDistortion;
using ImageSearch.Compression;
using ImageSearch.Evaluation;
using ImageSearch.Evaluation.Report;
using ImageSearch.Imaging;

string Option(string name, string fallback) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : fallback;
var files = Directory.GetFiles(args[0], "*.png").Order(StringComparer.Ordinal).ToList();
var pictures = files.Select(f => ImageFiles.Decode(File.ReadAllBytes(f)) is { Channels: 4 } p ? p.Flatten(255, 255, 255) : ImageFiles.Decode(File.ReadAllBytes(f))).ToList();
var (directory, model) = Folder(Path.GetFullPath(Option("--model", "models/lic-lot/2")));
using var codec = LicCodec.Open(directory, model, int.Parse(Option("--threads", "0"), CultureInfo.InvariantCulture));
List<Coder> coders = [new(codec.ModelId, [1, 2, 3, 4, 5, 6, 7, 8], (p, q) => codec.Encode(p, (float)q), b => codec.Decode(b))];
if (!args.Contains("--lic-only"))
{
    coders.AddRange(new (string Name, ImageFormat Format, double[] Qualities)[]
    {
        ("JPEG", ImageFormat.Jpeg, [5, 10, 20, 35, 50, 65, 80, 89]),
        ("WebP", ImageFormat.WebP, [1, 10, 25, 45, 65, 80, 90, 96]),
        ("AVIF", ImageFormat.Avif, [12, 25, 38, 50, 60, 70, 80, 89]),
    }.Select(f => new Coder(f.Name, f.Qualities, (p, q) => ImageFiles.Encode(p, f.Format, (int)q), b => ImageFiles.Decode(b))));
    if (JpegXl.Available)
    {
        coders.Add(new("JPEG XL", [12, 8, 5, 3.5, 2.2, 1.4, 0.9], JpegXl.Encode, JpegXl.Decode));
    }
}

if (Array.IndexOf(args, "--peak") is >= 0 and var peak)
{
    PeakMemory.Report(coders.Single(c => c.Name == args[peak + 1]), pictures, args[peak + 2] == "decode");
    return;
}

var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(args[0])));
var origin = RunOrigin.Now($"dotnet run -c Release --project benchmarks/RateDistortion -- {name.ToUpperInvariant()} --model models/{model}", TimeProvider.System);
var curves = coders.ToDictionary(c => c.Name, c => c.Measure(pictures));
var memory = coders.ToDictionary(c => c.Name, c => (PeakMemory.MibPerMegapixel(args, c.Name, decode: false), PeakMemory.MibPerMegapixel(args, c.Name, decode: true)));
var output = Option("--out", "");
var stem = FormattableString.Invariant($"rate-distortion-{name}-{origin.Date:yyyy-MM-dd}");
var plots = new (string File, Func<string> Draw)[]
{
    ($"{stem}-psnr.svg", () => Report.Plot("PSNR", curves, p => p.Psnr)),
    ($"{stem}-ms-ssim.svg", () => Report.Plot("MS-SSIM", curves, p => PictureQuality.Decibels(p.MsSsim))),
};
var report = Report.Markdown(origin, $"{pictures.Count} pictures of {name}", curves, memory, plots.Select(p => p.File));
Console.Write(report);
if (output.Length > 0)
{
    Directory.CreateDirectory(output);
    File.WriteAllText(Path.Combine(output, stem + ".md"), report);
    foreach (var (file, draw) in plots)
    {
        File.WriteAllText(Path.Combine(output, file), draw());
    }
}

// ".../models/lic-lot/2" is model lic-lot/2 of the folder ".../models".
static (string Directory, string Model) Folder(string folder) => Path.GetDirectoryName(folder) is { } named && Path.GetDirectoryName(named) is { } root
    ? (root, $"{Path.GetFileName(named)}/{Path.GetFileName(folder)}")
    : throw new ArgumentException($"{folder} is not the folder of a model, such as models/lic-lot/2.");
