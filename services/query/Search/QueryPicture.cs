using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Imaging;
using ImageSearch.Inference;
using ImageSearch.Query.Models;
using ImageSearch.Query.Web;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

/// <summary>The picture of a query: its vector, and words for it.</summary>
public sealed class QueryPicture(ImageReader images, VectorSearch vectors, IOptions<SearchOptions> options) : IDisposable
{
    // Embedding works on a small picture (384 pixels, made from the whole picture by the codec). Up to here that is done here too; of larger ones a smaller
    // picture is decoded first, which takes a fraction of the time and memory. At 1,000 a JPEG of 12 megapixels is read at half its size.
    private const int LongestWhole = 1536;
    private const int LongestSide = 1000;

    // Further pages and another weight send the same picture again.
    private const int VectorsKept = 256;
    private const int Neighbours = 8;
    private const int Waiting = 32;

    private readonly SemaphoreSlim gate = new(options.Value.PictureConcurrency);
    private readonly LruCache<(string Model, string Upload), float[]> known = new(VectorsKept);
    private int waiting;

    /// <exception cref="RequestException">Unknown id, no vector yet, not a picture, or too many at once.</exception>
    public async Task<float[]> VectorAsync(SearchRequest request, SearchModel model, CancellationToken ct)
    {
        if (request.Upload is { } file)
        {
            var key = (model.Name, request.UploadHash!);
            if (!known.TryGet(key, out var vector))
            {
                known.Add(key, vector = await EncodeAsync(file, model, ct));
            }

            return vector;
        }

        if (await images.FindAsync(request.Image!.Value, ct) is not { } image)
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "image", "There is no picture with this id.");
        }

        return (await vectors.VectorsAsync(model.Registered, [image], ct)).GetValueOrDefault(image)
            ?? throw new RequestException(StatusCodes.Status409Conflict, "image", $"This picture has no vector under {model.Name} yet; try again when it is indexed.");
    }

    /// <summary>Words for the query's picture: its own caption, or the tags that the pictures nearest to it share; null if there are none.</summary>
    public async Task<string?> CaptionAsync(SearchRequest request, SearchModel model, float[] vector, CancellationToken ct)
    {
        if (request.Image is { } id && await images.FindAsync(id, ct) is { } image
            && (await images.SummariesAsync([image], ct)).GetValueOrDefault(image) is { Caption.Length: > 0 } known)
        {
            return known.Caption;
        }

        var near = await vectors.SearchAsync(model.Registered, vector, new(Neighbours), ct: ct);
        var summaries = await images.SummariesAsync([.. near.Select(n => n.Image)], ct);
        var shared = summaries.Values.SelectMany(s => s.Tags.Distinct()).CountBy(t => t).Where(t => t.Value > 1)
            .OrderByDescending(t => t.Value).ThenBy(t => t.Key, StringComparer.Ordinal).Take(3).Select(t => t.Key);
        return string.Join(", ", shared) is { Length: > 0 } tags ? tags : null;
    }

    /// <summary>A picture file to pixels, as large as embedding needs them.</summary>
    /// <exception cref="PictureException">Not a picture, damaged, or over a limit.</exception>
    public static Picture Decode(ReadOnlyMemory<byte> file, ImageLimits? limits = null)
    {
        var info = ImageFiles.Probe(file.Span, limits);
        return Math.Max(info.Width, info.Height) <= LongestWhole ? ImageFiles.Decode(file, limits) : ImageFiles.DecodeScaled(file, LongestSide, limits);
    }

    public void Dispose() => gate.Dispose();

    private async Task<float[]> EncodeAsync(ReadOnlyMemory<byte> file, SearchModel model, CancellationToken ct)
    {
        if (Interlocked.Increment(ref waiting) > Waiting)
        {
            Interlocked.Decrement(ref waiting);
            throw new RequestException(StatusCodes.Status429TooManyRequests, "image", "Too many query pictures at once; try again in a moment.");
        }

        try
        {
            await gate.WaitAsync(ct);
            try
            {
                var picture = await Task.Run(() => Decode(file, new ImageLimits(MaxBytes: options.Value.MaxPictureBytes)), ct);
                return await model.EncodePicture(picture, ct);
            }
            catch (PictureException e)
            {
                throw new RequestException(StatusCodes.Status400BadRequest, "image", e.Message);
            }
            finally
            {
                gate.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }
}
