using System.Diagnostics;
using System.Text.Json;
using ImageSearch.Imaging;
using ImageSearch.Query.Search;
using Npgsql;

namespace ImageSearch.Benchmarks.Query;

/// <summary>A query by an uploaded picture over HTTP, in turns with what it cannot do without: decoding, analysis and adapter, in the clients' process.</summary>
internal static class PictureQuery
{
    // A service that has run for a while: until then the runtime compiles beside the queries.
    private const int WarmUp = 200, Measured = 50, Rounds = WarmUp + Measured, PerRow = 20;

    // The first of all open files and sessions.
    private const int Opening = 10;

    /// <param name="file">A JPEG; it is scaled to one megapixel.</param>
    public static async Task RunAsync(string models, int size, string file, bool keep)
    {
        var server = Latency.Server();
        await using var control = NpgsqlDataSource.Create(server);
        var connection = await CaptionedCollection.OpenAsync(control, server, models, size);
        using var opener = LabelledVectors.Opener(models);
        using var model = LabelledVectors.Open(opener, models, new ImageSearch.Models.ModelsOptions().Embedding);
        var picture = ImageFiles.Decode(await File.ReadAllBytesAsync(file));
        var scale = Math.Sqrt(1e6 / ((double)picture.Width * picture.Height));
        picture = picture.Resize((int)(picture.Width * scale), (int)(picture.Height * scale));

        // The service knows the vectors of recent pictures: each round asks with another one.
        byte[][] files = [.. Enumerable.Range(0, Rounds).Select(i => ImageFiles.Encode(picture.Crop(i % PerRow, i / PerRow, picture.Width - PerRow, picture.Height - PerRow), ImageFormat.Jpeg, 90))];
        List<double> decoded = [], needed = [], served = [], again = [];
        var (ours, theirs) = (TimeSpan.Zero, TimeSpan.Zero);
        await using (var service = await ServiceProcess.StartAsync(Latency.Settings(connection, models)))
        {
            for (var i = 0; i < Rounds; i++)
            {
                var (own, start) = (Process.GetCurrentProcess().TotalProcessorTime, Stopwatch.GetTimestamp());
                var pixels = QueryPicture.Decode(files[i]);
                decoded.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                await model.EncodePicture(pixels, default);
                needed.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                ours += i < WarmUp ? default : Process.GetCurrentProcess().TotalProcessorTime - own;
                var before = service.ProcessorTime();
                served.Add(await TimeAsync(() => AskAsync(service.Http, files[i])));
                theirs += i < WarmUp ? default : service.ProcessorTime() - before;
                again.Add(await TimeAsync(() => AskAsync(service.Http, files[i])));
            }
        }

        Console.WriteLine($"{picture.Width - PerRow} x {picture.Height - PerRow} JPEG of {files[0].Length / 1000} KB, {size} pictures, one client.");
        Print("right after the start", Opening..(Opening + Measured));
        Print($"after {WarmUp} queries", WarmUp..Rounds);
        Console.WriteLine($"Processor ms each, after {WarmUp} queries: {ours.TotalMilliseconds / Measured:0.0}, in the service {theirs.TotalMilliseconds / Measured:0.0}.");
        if (!keep)
        {
            await CaptionedCollection.DropAsync(control, size);
        }

        void Print(string when, Range rounds)
        {
            var (bare, whole) = (Median(needed.Take(rounds)), Median(served.Take(rounds)));
            Console.WriteLine(
                $"p50 {when}: decoding {Median(decoded.Take(rounds)):0.0} ms, decoding + analysis + adapter {bare:0.0} ms, query over HTTP {whole:0.0} ms, ratio {whole / bare:0.00}; "
                + $"the same picture again {Median(again.Take(rounds)):0.0} ms.");
        }
    }

    private static async Task AskAsync(HttpClient http, byte[] file)
    {
        using var form = new MultipartFormDataContent { { new StringContent("{}"), "query" }, { new ByteArrayContent(file), "image", "query.jpg" } };
        using var response = await http.PostAsync("/api/search", form);
        response.EnsureSuccessStatusCode();
        using var body = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync());
        if (body.RootElement.GetProperty("hits").GetArrayLength() == 0)
        {
            throw new InvalidOperationException("A picture found nothing.");
        }
    }

    private static async Task<double> TimeAsync(Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Median(IEnumerable<double> times)
    {
        var sorted = times.Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
