// What embedding from a bitstream costs beside encoding the picture, and how many pictures a second the adapter alone takes in batches.
//
//   dotnet run -c Release --project benchmarks/Embedder -- FOLDER_OF_PICTURES [--pictures 100] [--threads 0] [--quality 4] [--models models] [--out FILE.md]
using System.Diagnostics;
using System.Globalization;
using System.Text;
using ImageSearch.Compression;
using ImageSearch.Imaging;
using ImageSearch.Inference;
using ImageSearch.Models;

const int InFlight = 16;
string Option(string name, string fallback) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : fallback;
int Number(string name, string fallback) => int.Parse(Option(name, fallback), CultureInfo.InvariantCulture);

string[] endings = [".jpg", ".jpeg", ".png", ".webp"];
var pictures = Directory.EnumerateFiles(args[0], "*", SearchOption.AllDirectories).Where(f => endings.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal).ToArray();
pictures = [.. pictures.Where((_, i) => i % Math.Max(1, pictures.Length / Number("--pictures", "100")) == 0).Take(Number("--pictures", "100"))];
var options = new ModelsOptions { Directory = Option("--models", "models"), Threads = Number("--threads", "0") };
using var codec = LicCodec.Open(options);
using var model = EmbeddingModel.Open(options);
var quality = Number("--quality", "4");
var decoded = pictures.Select(f => ImageFiles.Decode(File.ReadAllBytes(f))).ToArray();
var report = new StringBuilder();
report.AppendLine(CultureInfo.InvariantCulture, $"`benchmarks/Embedder`, {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC, {pictures.Length} pictures of {decoded.Average(p => p.Width * (double)p.Height) / 1e6:F2} megapixels on average, quality {quality}, {model.Id} on {codec.ModelId}, {Environment.ProcessorCount} cores, .NET {Environment.Version}.");
report.AppendLine("Processor: all threads of the process; other work on the machine changes it little.\n");
report.AppendLine("| step | pictures/s | wall ms a picture | processor ms a picture |\n|---|---:|---:|---:|");

var streams = decoded.Select(p => Array.Empty<byte>()).ToArray();
codec.Encode(decoded[0], quality);
var encode = await MeasureAsync("encode the picture, verified (the codec worker's part)", decoded.Length, i => streams[i] = codec.Encode(decoded[i], quality));
var latents = decoded.Select(_ => default(PictureTensor)!).ToArray();
Latents(streams[0]);
await MeasureAsync("latents from the bitstream", streams.Length, i => latents[i] = Latents(streams[i]));
model.Pictures.Embed([latents[0]]);
var embed = await MeasureAsync("bitstream to vector, one at a time", streams.Length, i => model.Pictures.Embed([Latents(streams[i])]));
await MeasureManyAsync(string.Create(CultureInfo.InvariantCulture, $"bitstream to vector, {InFlight} at once (as the embedder does)"), streams.Length, () => Parallel.ForEachAsync(
    streams, new ParallelOptions { MaxDegreeOfParallelism = InFlight }, async (s, ct) => await model.EmbedLatentsAsync(Input(codec.DecodeLatents(s, ct)), ct)));
foreach (var batch in new[] { 1, 4, 16 })
{
    PictureTensor[] same = [.. Enumerable.Repeat(latents.MaxBy(l => l.Height * l.Width)!, batch)];
    model.Pictures.Embed(same);
    await MeasureManyAsync($"adapter alone, {same[0].Width} x {same[0].Height} latents, batches of {batch}", 160 / batch * batch, () =>
    {
        for (var i = 0; i < 160 / batch; i++)
        {
            model.Pictures.Embed(same);
        }

        return Task.CompletedTask;
    });
}

report.AppendLine(CultureInfo.InvariantCulture, $"\nBitstream to vector takes {100 * embed / encode:F1} % of the processor time of encoding the picture.");
Console.Write(report);
if (Option("--out", "") is { Length: > 0 } path)
{
    File.WriteAllText(path, "# Embedder\n\n" + report);
}

PictureTensor Latents(byte[] stream) => Input(codec.DecodeLatents(stream));

static LatentInput Input(LatentGrid grid) => new(grid.Channels, grid.Height, grid.Width, grid.Values, grid.Space);

Task<double> MeasureAsync(string step, int count, Action<int> one) => MeasureManyAsync(step, count, () =>
{
    for (var i = 0; i < count; i++)
    {
        one(i);
    }

    return Task.CompletedTask;
});

/// <returns>Processor milliseconds a picture.</returns>
async Task<double> MeasureManyAsync(string step, int count, Func<Task> run)
{
    var (before, start) = (Process.GetCurrentProcess().TotalProcessorTime, Stopwatch.GetTimestamp());
    await run();
    var (wall, processor) = (Stopwatch.GetElapsedTime(start).TotalMilliseconds / count, (Process.GetCurrentProcess().TotalProcessorTime - before).TotalMilliseconds / count);
    report.AppendLine(CultureInfo.InvariantCulture, $"| {step} | {1000 / wall:F1} | {wall:F2} | {processor:F2} |");
    return processor;
}
