using System.Diagnostics;
using System.Text.Json;
using ImageSearch.Imaging;
using Npgsql;

namespace ImageSearch.Benchmarks.Query;

/// <summary>A query by an uploaded picture over HTTP, in turns with what it cannot do without: decoding, analysis and adapter, in the clients' process.</summary>
internal static class PictureQuery
{
    private const int Rounds = 60, WarmUp = 10, LongestSide = 1024;

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
        var jpeg = ImageFiles.Encode(picture, ImageFormat.Jpeg, 90);
        List<double> needed = [], served = [];
        await using (var service = await ServiceProcess.StartAsync(Latency.Settings(connection, models)))
        {
            for (var i = 0; i < Rounds; i++)
            {
                needed.Add(await TimeAsync(async () => await model.EncodePicture(ImageFiles.DecodeScaled(jpeg, LongestSide), default)));
                served.Add(await TimeAsync(async () =>
                {
                    using var form = new MultipartFormDataContent { { new StringContent("{}"), "query" }, { new ByteArrayContent(jpeg), "image", "query.jpg" } };
                    using var response = await service.Http.PostAsync("/api/search", form);
                    response.EnsureSuccessStatusCode();
                    using var body = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync());
                    if (body.RootElement.GetProperty("hits").GetArrayLength() == 0)
                    {
                        throw new InvalidOperationException("A picture found nothing.");
                    }
                }));
            }
        }

        var (bare, whole) = (Median(needed), Median(served));
        Console.WriteLine($"{picture.Width} x {picture.Height} JPEG of {jpeg.Length / 1000} KB, {size} pictures, one client, p50 of {Rounds - WarmUp}: decoding + analysis + adapter {bare:0.0} ms, query over HTTP {whole:0.0} ms, ratio {whole / bare:0.00}");
        if (!keep)
        {
            await CaptionedCollection.DropAsync(control, size);
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
        var sorted = times.Skip(WarmUp).Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
