using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>Image tower of a CLIP-family model: pixels, resized, cropped and scaled as its manifest says.</summary>
public sealed class ClipImageEncoder : IPictureEmbedder
{
    private readonly OnnxNetwork network;
    private readonly PixelsManifest pixels;
    private readonly ResizeKernel kernel;

    internal ClipImageEncoder(ModelManifest manifest, EmbeddingManifest embedding, ModelsOptions options)
    {
        pixels = embedding.Pixels!;
        kernel = pixels.Kernel switch
        {
            "bicubic" => ResizeKernel.Bicubic,
            "bilinear" => ResizeKernel.Bilinear,
            var other => throw EmbeddingManifest.Bad(manifest, $"pixels.kernel '{other}' is neither 'bicubic' nor 'bilinear'"),
        };
        if (pixels.Resize is not ("shortest" or "squash") || (pixels.ResizeTo != 0 && pixels.ResizeTo < pixels.Size))
        {
            throw EmbeddingManifest.Bad(manifest, "pixels.resize is 'shortest' or 'squash', and pixels.resizeTo is not below pixels.size");
        }

        if (pixels is not { Mean.Length: 3, Std.Length: 3 } || pixels.Std.Any(s => !(s > 0)))
        {
            throw EmbeddingManifest.Bad(manifest, "pixels.mean and pixels.std need three values each, std above 0");
        }

        network = new OnnxNetwork(manifest, "image_encoder", options, [pixels.Input], [pixels.Output]);
        network.RequireVectors(pixels.Output, embedding.Dimensions);
        if ((network.InputDimension(pixels.Input, 2) ?? pixels.Size) != pixels.Size)
        {
            throw EmbeddingManifest.Bad(manifest, $"pixels.size is {pixels.Size} but the network takes {network.InputDimension(pixels.Input, 2)}");
        }

        MaxBatch = network.InputDimension(pixels.Input, 0) ?? embedding.Batch.Max;
    }

    public int MaxBatch { get; }

    /// <summary>
    /// CLIP's preprocessing: short side to the given size with antialiasing (the long side rounded down, as torchvision does), centre crop, (v / 255 - mean) / std.
    /// Transparent parts are laid over white.
    /// </summary>
    /// <returns>[3, Size, Size].</returns>
    public PictureTensor Prepare(Picture picture)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var square = Square(picture.Flatten(255, 255, 255));
        var plane = pixels.Size * pixels.Size;
        var values = new float[3 * plane];
        for (var c = 0; c < 3; c++)
        {
            // A byte has 256 values: the division is done once for each.
            var table = Array.ConvertAll(Enumerable.Range(0, 256).ToArray(), v => ((v / 255f) - pixels.Mean[c]) / pixels.Std[c]);
            var target = values.AsSpan(c * plane, plane);
            for (var i = 0; i < plane; i++)
            {
                target[i] = table[square.Pixels[(i * 3) + c]];
            }
        }

        return new PictureTensor(3, pixels.Size, pixels.Size, values);
    }

    public IReadOnlyList<PictureEmbedding> Embed(IReadOnlyList<PictureTensor> batch)
    {
        using var input = TensorBatch.Stack(batch);
        return [.. network.Run(batch.Count, input)[0].Select(vector => new PictureEmbedding(vector, null))];
    }

    public void Dispose() => network.Dispose();

    private Picture Square(Picture picture)
    {
        var size = pixels.Size;
        if (pixels.Resize == "squash")
        {
            return picture.Resize(size, size, kernel);
        }

        var shortSide = pixels.ResizeTo == 0 ? size : pixels.ResizeTo;
        var (w, h) = (picture.Width, picture.Height);
        var (width, height) = w <= h
            ? (shortSide, (int)((long)shortSide * h / w))
            : ((int)((long)shortSide * w / h), shortSide);

        // A very thin picture would grow beyond all bounds before the crop throws it away: cut to the middle first.
        const int longest = 8192;
        if (Math.Max(width, height) > longest)
        {
            var keep = Math.Max(1, (int)((long)Math.Min(w, h) * longest / shortSide));
            picture = w > h ? picture.Crop((w - keep) / 2, 0, keep, h) : picture.Crop(0, (h - keep) / 2, w, keep);
            (width, height) = w > h ? (longest, shortSide) : (shortSide, longest);
        }

        return picture.Resize(width, height, kernel).Crop(Middle(width), Middle(height), size, size);

        // Python's round: halves to even.
        int Middle(int side) => (int)Math.Round((side - size) / 2.0, MidpointRounding.ToEven);
    }
}
