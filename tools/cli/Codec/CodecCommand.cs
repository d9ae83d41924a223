using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ImageSearch.Compression;
using ImageSearch.Evaluation;
using ImageSearch.Imaging;
using Spectre.Console;

namespace ImageSearch.Cli.Codec;

/// <summary><c>imagesearch codec encode|decode|info|compare</c>: the learned codec on files and folders, without any server.</summary>
public static class CodecCommand
{
    private static readonly HashSet<string> PictureExtensions = new(StringComparer.OrdinalIgnoreCase) { ".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff" };

    public static Command Create()
    {
        var command = new Command("codec", "Compress and decompress pictures with the learned codec.");
        command.Add(Encode());
        command.Add(Decode());
        command.Add(Info());
        command.Add(Compare());
        return command;
    }

    private static readonly Func<Argument<string[]>> Paths = () => new("path") { Description = "Files or folders.", Arity = ArgumentArity.OneOrMore };
    private static readonly Func<Option<string?>> Output = () => new("--output", "-o") { Description = "Folder for the results; beside each file without it." };
    private static readonly Func<Option<int>> Parallelism = () => new("--parallel") { Description = "Files at once, one thread each; one per core without it.", DefaultValueFactory = _ => Environment.ProcessorCount };

    private static Command Encode()
    {
        var (paths, output, parallel) = (Paths(), Output(), Parallelism());
        var quality = new Option<float>("--quality", "-q") { Description = "1 (smallest) to 8 (best); fractions are allowed.", DefaultValueFactory = _ => 5 };
        var target = new Option<float?>("--target-bpp") { Description = "Choose for each picture the quality whose stream comes nearest to this many bits per pixel." };
        var command = new Command("encode", "Pictures to .lic streams.") { paths, output, quality, target, parallel };
        command.SetAction((r, ct) =>
        {
            var q = r.GetValue(quality);
            if (q is < LicCodec.MinQuality or > LicCodec.MaxQuality || float.IsNaN(q))
            {
                throw new CliException($"--quality goes from {LicCodec.MinQuality} to {LicCodec.MaxQuality}.");
            }

            return ForEachAsync(r.GetValue(paths)!, PictureExtensions, r.GetValue(parallel), "encoding", (codec, file) =>
            {
                var picture = ImageFiles.Decode(File.ReadAllBytes(file));
                var stream = r.GetValue(target) is { } bpp ? ToTarget(codec, picture, bpp, ct) : codec.Encode(picture, q, verify: true, ct);
                var target2 = Target(file, r.GetValue(output), ".lic");
                WriteWhole(target2, stream);
                var decoded = codec.Decode(stream, ct);
                return new Row(target2, new FileInfo(file).Length, stream.Length, picture.Width, picture.Height, PictureQuality.Psnr(picture, decoded));
            }, ct);
        });
        return command;
    }

    private static Command Decode()
    {
        var (paths, output, parallel) = (Paths(), Output(), Parallelism());
        var format = new Option<string>("--format") { Description = "png, jpeg, webp or avif.", DefaultValueFactory = _ => "png" };
        format.AcceptOnlyFromAmong("png", "jpeg", "webp", "avif");
        var command = new Command("decode", ".lic streams to pictures.") { paths, output, format, parallel };
        command.SetAction((r, ct) => ForEachAsync(r.GetValue(paths)!, [".lic"], r.GetValue(parallel), "decoding", (codec, file) =>
        {
            var stream = File.ReadAllBytes(file);
            var picture = codec.Decode(stream, ct);
            var kind = Enum.Parse<ImageFormat>(r.GetValue(format)!, ignoreCase: true);
            var target = Target(file, r.GetValue(output), "." + r.GetValue(format));
            var written = ImageFiles.Encode(picture, kind, 90);
            WriteWhole(target, written);
            return new Row(target, written.Length, stream.Length, picture.Width, picture.Height, null);
        }, ct));
        return command;
    }

    private static Command Info()
    {
        var paths = Paths();
        var command = new Command("info", "What a .lic stream says of itself; no model is needed.") { paths };
        command.SetAction(r =>
        {
            var table = new Table().Border(TableBorder.Simple).AddColumns("stream", "size", "codec id", "quality", "alpha", "preview", "bytes", "bpp");
            foreach (var file in Find(r.GetValue(paths)!, [".lic"]))
            {
                var bytes = File.ReadAllBytes(file);
                var h = LicStream.ReadHeader(bytes);
                table.AddRow(Markup.Escape(file), $"{h.Width}x{h.Height}", $"{h.ModelId}", Number(h.Quality, "0.##"), h.HasAlpha ? "yes" : "no",
                    h.Preview is { } p ? $"{p.Width}x{p.Height}" : "-", $"{bytes.Length:N0}", Number(8.0 * bytes.Length / ((double)h.Width * h.Height), "0.000"));
            }

            AnsiConsole.Write(table);
            return 0;
        });
        return command;
    }

    private static Command Compare()
    {
        var paths = Paths();
        var command = new Command("compare", "Bits per pixel and PSNR of the learned codec at every quality, beside JPEG, WebP and AVIF of about the same size.") { paths };
        command.SetAction((r, ct) => Task.Run(() =>
        {
            using var codec = LicCodec.Open(CliSettings.Models);
            var table = new Table().Border(TableBorder.Simple).AddColumns("picture", "quality", "lic bpp", "lic dB", "jpeg dB", "webp dB", "avif dB");
            foreach (var file in Find(r.GetValue(paths)!, PictureExtensions))
            {
                var picture = ImageFiles.Decode(File.ReadAllBytes(file));
                for (var q = 1; q <= 8; q++)
                {
                    ct.ThrowIfCancellationRequested();
                    var stream = codec.Encode(picture, q, verify: false, ct);
                    table.AddRow(Markup.Escape(Path.GetFileName(file)), $"{q}", Number(8.0 * stream.Length / ((double)picture.Width * picture.Height), "0.000"),
                        Number(PictureQuality.Psnr(picture, codec.Decode(stream, ct)), "0.00"), SameSize(picture, ImageFormat.Jpeg, stream.Length), SameSize(picture, ImageFormat.WebP, stream.Length), SameSize(picture, ImageFormat.Avif, stream.Length));
                }
            }

            AnsiConsole.Write(table);
            return 0;
        }, ct));
        return command;
    }

    private sealed record Row(string File, long PictureBytes, long StreamBytes, int Width, int Height, double? Psnr);

    private static async Task<int> ForEachAsync(string[] paths, HashSet<string> extensions, int parallel, string what, Func<LicCodec, string, Row> work, CancellationToken ct)
    {
        var files = Find(paths, extensions);
        var models = CliSettings.Models;
        models.Threads = parallel > 1 ? 1 : 0;
        using var codec = LicCodec.Open(models);
        var (rows, failures, clock) = (new Row?[files.Count], 0, Stopwatch.StartNew());
        await AnsiConsole.Progress().StartAsync(async context =>
        {
            var bar = context.AddTask(what, maxValue: files.Count);
            await Parallel.ForAsync(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, parallel), CancellationToken = ct }, (i, _) =>
            {
                try
                {
                    rows[i] = work(codec, files[i]);
                }
                catch (Exception e) when (e is PictureException or LicFormatException or IOException or UnauthorizedAccessException)
                {
                    Interlocked.Increment(ref failures);
                    AnsiConsole.MarkupLineInterpolated($"[red]{files[i]}[/]: {e.Message}");
                }

                bar.Increment(1);
                return ValueTask.CompletedTask;
            });
        });
        var table = new Table().Border(TableBorder.Simple).AddColumns("file", "size", "picture", "stream", "bpp", "dB");
        foreach (var row in rows.OfType<Row>())
        {
            table.AddRow(Markup.Escape(row.File), $"{row.Width}x{row.Height}", $"{row.PictureBytes:N0}", $"{row.StreamBytes:N0}",
                Number(8.0 * row.StreamBytes / ((double)row.Width * row.Height), "0.000"), row.Psnr is { } p ? Number(p, "0.00") : "");
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated($"[grey]{files.Count - failures} files, {clock.Elapsed.TotalSeconds:0.0} s[/]");
        return failures == 0 ? 0 : 1;
    }

    /// <summary>Bisects the quality; rate grows with it.</summary>
    private static byte[] ToTarget(LicCodec codec, Picture picture, float bpp, CancellationToken ct)
    {
        var (low, high) = (LicCodec.MinQuality, LicCodec.MaxQuality);
        byte[]? best = null;
        double Miss(byte[] stream) => Math.Abs((8.0 * stream.Length / ((double)picture.Width * picture.Height)) - bpp);
        for (var i = 0; i < 7; i++)
        {
            var quality = (low + high) / 2;
            var stream = codec.Encode(picture, quality, verify: false, ct);
            best = best is null || Miss(stream) < Miss(best) ? stream : best;
            (low, high) = 8.0 * stream.Length / ((double)picture.Width * picture.Height) < bpp ? (quality, high) : (low, quality);
        }

        codec.Decode(best, ct);
        return best!;
    }

    /// <summary>PSNR of the largest file of this format that is no larger than <paramref name="bytes"/>; "-" if even quality 1 is larger.</summary>
    private static string SameSize(Picture picture, ImageFormat format, long bytes)
    {
        var flat = picture.Channels == 4 ? picture.Flatten(255, 255, 255) : picture;
        var (low, high, best) = (1, 100, (byte[]?)null);
        while (low <= high)
        {
            var quality = (low + high) / 2;
            var file = ImageFiles.Encode(flat, format, quality);
            if (file.Length <= bytes)
            {
                (best, low) = (file, quality + 1);
            }
            else
            {
                high = quality - 1;
            }
        }

        return best is null ? "-" : Number(PictureQuality.Psnr(flat, ImageFiles.Decode(best)), "0.00");
    }

    private static List<string> Find(string[] paths, HashSet<string> extensions)
    {
        var files = paths.SelectMany<string, string>(p => Directory.Exists(p)
            ? Directory.EnumerateFiles(p, "*", SearchOption.AllDirectories).Where(f => extensions.Contains(Path.GetExtension(f))).Order(StringComparer.Ordinal)
            : File.Exists(p) ? [p] : throw new CliException($"There is no file or folder {p}.")).Distinct().ToList();
        return files.Count > 0 ? files : throw new CliException($"No files of the kinds {string.Join(' ', extensions.Order())} were found.");
    }

    private static string Target(string file, string? output, string extension) =>
        Path.Combine(output ?? Path.GetDirectoryName(Path.GetFullPath(file))!, Path.GetFileNameWithoutExtension(file) + extension);

    /// <summary>Written beside and moved, so that a half-written file is never left under its name.</summary>
    private static void WriteWhole(string path, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllBytes(path + ".part", content);
        File.Move(path + ".part", path, overwrite: true);
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
