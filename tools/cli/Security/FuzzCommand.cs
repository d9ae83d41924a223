using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ImageSearch.Cli.Operating;
using ImageSearch.Compression;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using Spectre.Console;

namespace ImageSearch.Cli.Security;

/// <summary><c>imagesearch fuzz --files 5000</c>: damaged pictures through the loaders and the codec, damaged streams through decoder and serving, without any server; with <c>--upload</c> damaged pictures through a running system.</summary>
public static class FuzzCommand
{
    // Bounds the time of a file whose damaged header claims a large picture.
    private static readonly ImageLimits Limits = new(MaxPixels: 4_000_000, MaxFrames: 1000, MaxDecodeTime: TimeSpan.FromSeconds(10));

    private const int MaxEncoded = 1 << 16;

    // A run of thousands takes long: whoever stops it reads here where to go on (--format, --seed, and what is left of --files).
    private const int FilesPerReport = 500;

    public static Command Create()
    {
        var files = new Option<int>("--files") { Description = "Damaged files of each format, and as many streams.", DefaultValueFactory = _ => 1000 };
        var seed = new Option<int>("--seed") { Description = "First seed; the same seed gives the same file.", DefaultValueFactory = _ => 0 };
        var only = new Option<string?>("--format") { Description = "One of jpeg, png, webp, avif, gif, tiff, lic instead of all." };
        only.AcceptOnlyFromAmong([.. HostileFiles.Formats, "lic"]);
        var upload = new Option<bool>("--upload") { Description = "Put the pictures into the bucket of the running system and follow them through its services; they are taken out again." };
        var command = new Command("fuzz", "Damaged pictures and streams through decoders and codec; each must be read or refused with a reason. Exit code 1 if one is not.") { files, seed, only, upload };
        command.SetAction((r, ct) => r.GetValue(upload)
            ? UploadAsync(r.GetValue(files), r.GetValue(seed), r.GetValue(only), ct)
            : Task.Run(() => Run(r.GetValue(files), r.GetValue(seed), r.GetValue(only), ct), ct));
        return command;
    }

    private static async Task<int> UploadAsync(int files, int firstSeed, string? only, CancellationToken ct)
    {
        if (only == "lic")
        {
            throw new CliException("The bucket takes pictures, no streams: run `imagesearch fuzz --format lic` without --upload.");
        }

        using var store = new ObjectStore(CliSettings.ObjectStore);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
        var processes = new LocalProcesses(Environment.GetEnvironmentVariable("IMAGESEARCH_CHECKOUT") ?? ".");
        return await new FuzzUpload(store, db, processes).RunAsync(only is null ? HostileFiles.Formats : [only], files, firstSeed, ct) ? 0 : 1;
    }

    private static int Run(int files, int firstSeed, string? only, CancellationToken ct)
    {
        using var codec = LicCodec.Open(CliSettings.Models);
        var table = new Table().Border(TableBorder.Simple).AddColumns("format", "files", "read", "encoded or served", "refused", "FAILED", "slowest", "memory after");
        var failed = 0;
        foreach (var format in (string[])[.. HostileFiles.Formats, "lic"])
        {
            if (only is not null && only != format)
            {
                continue;
            }

            // A crash of native code ends the process: this line then says where.
            Console.Error.WriteLine($"{format}: {files} files from seed {firstSeed} ...");
            var tally = new Tally();
            var sound = format == "lic" ? codec.Encode(ImageFiles.Decode(HostileFiles.Sound("png", 70, 40)), 3) : HostileFiles.Sound(format);
            Try(codec, format, sound, tally, ct);
            if (tally.Read != 1)
            {
                throw new InvalidOperationException($"The sound {format} was not read; nothing can be said of damaged ones.");
            }

            for (var seed = firstSeed; seed < firstSeed + files; seed++)
            {
                ct.ThrowIfCancellationRequested();
                var file = HostileFiles.Damage(sound, seed);
                if (format == "lic" && seed % 2 == 0 && file.Length > 13)
                {
                    LicStream.WriteChecksum(file);
                }

                try
                {
                    Try(codec, format, file, tally, ct);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    tally.Failed++;
                    AnsiConsole.MarkupLineInterpolated($"[red]{format}, seed {seed}[/]: {e.GetType().Name}: {e.Message}");
                }

                if ((seed + 1 - firstSeed) % FilesPerReport == 0)
                {
                    Console.Error.WriteLine($"{format}: next seed {seed + 1}; {tally}");
                }
            }

            failed += tally.Failed;
            table.AddRow(format, $"{files}", $"{tally.Read - 1}", $"{tally.Encoded - 1}", tally.Reasons, $"{tally.Failed}",
                string.Create(CultureInfo.InvariantCulture, $"{tally.Slowest.TotalMilliseconds:0} ms"), $"{MemoryMiB} MiB");
        }

        AnsiConsole.Write(table);
        return failed == 0 ? 0 : 1;
    }

    private static long MemoryMiB => Process.GetCurrentProcess().WorkingSet64 >> 20;

    private static void Try(LicCodec codec, string format, byte[] file, Tally tally, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            if (format == "lic")
            {
                var latents = codec.DecodeLatents(file, ct);
                if (LicStream.ReadHeader(file) is var h && (long)h.Width * h.Height <= MaxEncoded)
                {
                    // What the query service does with a stored stream.
                    var picture = codec.Decode(file, ct);
                    ImageFiles.Encode(picture.FitWithin(320), ImageFormat.WebP, 82);
                    ImageFiles.Encode(picture, ImageFormat.Jpeg, 82);
                    tally.Encoded++;
                }

                GC.KeepAlive(latents);
            }
            else
            {
                ImageFiles.Probe(file, Limits);
                var picture = ImageFiles.Decode(file, Limits);
                if ((long)picture.Width * picture.Height <= MaxEncoded)
                {
                    codec.Encode(picture, 3, verify: true, ct);
                    tally.Encoded++;
                }
            }

            tally.Read++;
        }
        catch (PictureException e)
        {
            tally.Refuse(e.Code.ToString());
        }
        catch (LicFormatException e) when (format == "lic")
        {
            tally.Refuse(e.Reason.ToString());
        }

        var elapsed = Stopwatch.GetElapsedTime(started);
        tally.Slowest = elapsed > tally.Slowest ? elapsed : tally.Slowest;
    }

    private sealed class Tally
    {
        public int Read { get; set; }

        public int Encoded { get; set; }

        public int Failed { get; set; }

        public TimeSpan Slowest { get; set; }

        public Dictionary<string, int> Refused { get; } = [];

        public string Reasons => string.Join(", ", Refused.OrderByDescending(p => p.Value).Select(p => $"{p.Key} {p.Value}"));

        public override string ToString() => $"read {Read - 1}, refused {Refused.Values.Sum()}, failed {Failed}, {MemoryMiB} MiB";

        public void Refuse(string reason) => Refused[reason] = Refused.GetValueOrDefault(reason) + 1;
    }
}
