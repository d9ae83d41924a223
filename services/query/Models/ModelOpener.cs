using System.Runtime.InteropServices;
using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Imaging;
using ImageSearch.Inference;
using ImageSearch.Models;
using ImageSearch.Query.Search;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Models;

/// <summary>Opens models of the models folder for the search. The codec is loaded when the first picture needs it.</summary>
public sealed class ModelOpener(IOptions<ModelsOptions> options) : IDisposable
{
    private const int WindowsPerSide = 5;
    private const float WindowSize = 0.5f;

    private readonly Lazy<LicCodec> codec = new(() => LicCodec.Open(options.Value));

    /// <exception cref="ModelException">The model is missing, damaged, or has other dimensions than the catalogue says.</exception>
    public SearchModel Open(RegisteredModel registered)
    {
        // Somebody waits for each picture, and there are seldom two at once.
        var model = EmbeddingModel.Open(options.Value, registered.Name, TimeSpan.Zero);
        if (model.Dimensions != registered.Dimensions)
        {
            model.Dispose();
            throw new ModelException($"Model {registered.Name} has {model.Dimensions} dimensions in its manifest but {registered.Dimensions} in the catalogue.");
        }

        var latents = model.Source == EmbeddingSource.Latents;
        return new SearchModel
        {
            Registered = registered,
            Owned = model,
            EncodeText = model.Text.EncodeQuery,
            EncodePicture = async (picture, ct) => (latents
                ? await model.EmbedLatentsAsync(await Task.Run(() => Input(codec.Value.Analyze(Small(picture))), ct), ct)
                : await model.EmbedPictureAsync(picture, ct)).Vector,
            EncodeWindows = (stream, ct) => latents ? LatentWindowsAsync(model, stream, ct) : PixelWindowsAsync(model, stream, ct),
            Calibration = model.Manifest.GetOrDefault<ModelCalibration>("relevance") ?? ModelCalibration.Default,
            DenseWeight = model.Manifest.GetOrDefault<double?>("denseWeight"),
            Shipped = model.Manifest.Files.ContainsKey("background") ? ReadVectors(model.Manifest.PathOf("background"), model.Dimensions) : [],
        };
    }

    /// <exception cref="LicFormatException">The stream is damaged, or its codec is missing.</exception>
    public Picture Decode(byte[] stream) => codec.Value.Decode(stream);

    public void Dispose()
    {
        if (codec.IsValueCreated)
        {
            codec.Value.Dispose();
        }
    }

    private async Task<WindowVectors> LatentWindowsAsync(EmbeddingModel model, byte[] stream, CancellationToken ct)
    {
        var grid = await Task.Run(() => codec.Value.DecodeLatents(stream, ct), ct);
        var (columns, rows) = (Count(grid.Width, 2), Count(grid.Height, 2));
        var (width, height) = (Window(grid.Width, columns), Window(grid.Height, rows));
        return await WindowsAsync(columns, rows, (float)width / grid.Width, (float)height / grid.Height, async (column, row) =>
            (await model.EmbedLatentsAsync(Cut(grid, At(grid.Width, width, column, columns), At(grid.Height, height, row, rows), width, height), ct)).Vector);
    }

    private async Task<WindowVectors> PixelWindowsAsync(EmbeddingModel model, byte[] stream, CancellationToken ct)
    {
        var picture = await Task.Run(() => codec.Value.DecodePreview(stream, ct), ct);
        var (columns, rows) = (Count(picture.Width, 32), Count(picture.Height, 32));
        var (width, height) = (Window(picture.Width, columns), Window(picture.Height, rows));
        return await WindowsAsync(columns, rows, (float)width / picture.Width, (float)height / picture.Height, async (column, row) =>
            (await model.EmbedPictureAsync(picture.Crop(At(picture.Width, width, column, columns), At(picture.Height, height, row, rows), width, height), ct)).Vector);
    }

    private static async Task<WindowVectors> WindowsAsync(int columns, int rows, float width, float height, Func<int, int, Task<float[]>> embed)
    {
        // All at once: the model batches windows of one shape.
        var vectors = await Task.WhenAll(Enumerable.Range(0, columns * rows).Select(i => embed(i % columns, i / columns)));
        return new(columns, rows, width, height, vectors);
    }

    // A side too short to be halved is one window.
    private static int Count(int side, int least) => side * WindowSize >= least ? WindowsPerSide : 1;

    private static int Window(int side, int count) => count == 1 ? side : (int)(side * WindowSize);

    private static int At(int side, int window, int index, int count) => count == 1 ? 0 : (int)Math.Round((double)index * (side - window) / (count - 1));

    private static LatentInput Input(LatentGrid grid) => new(grid.Channels, grid.Height, grid.Width, grid.Values, grid.Space);

    private static LatentInput Cut(LatentGrid grid, int x, int y, int width, int height)
    {
        var values = new float[grid.Channels * height * width];
        for (var c = 0; c < grid.Channels; c++)
        {
            for (var row = 0; row < height; row++)
            {
                grid.Values.AsSpan((((c * grid.Height) + y + row) * grid.Width) + x, width).CopyTo(values.AsSpan(((c * height) + row) * width));
            }
        }

        return new(grid.Channels, height, width, values, grid.Space);
    }

    // As the codec does with stored pictures, whose latents the collection's vectors were made from.
    private static Picture Small(Picture picture)
    {
        var opaque = picture.Channels == 4 ? picture.Flatten(255, 255, 255) : picture;
        return Math.Max(opaque.Width, opaque.Height) > LicCodec.PreviewThreshold ? opaque.FitWithin(LicCodec.SearchLongestSide) : opaque;
    }

    private static float[][] ReadVectors(string path, int dimensions) =>
        [.. MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray().Chunk(dimensions).Where(v => v.Length == dimensions)];
}
