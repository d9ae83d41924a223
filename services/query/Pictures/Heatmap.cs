using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;

namespace ImageSearch.Query.Pictures;

/// <summary>Where a picture resembles a query: overlapping windows are embedded like pictures of their own and compared with the query.</summary>
public static class Heatmap
{
    private const int Side = 256;

    internal static async Task<IResult> GetAsync(
        string id, HttpContext http, ImageReader images, BitstreamCatalog bitstreams, ActiveModels models, QueryPicture pictures, PictureRenderer renderer, CancellationToken ct)
    {
        var q = QueryFields.Text(http.Request, "q", SearchRequestReader.MaxText);
        var other = QueryFields.Text(http.Request, "image", 100);
        if ((q is null) == (other is null))
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "q", "Give either q=words or image=ID.");
        }

        var bitstream = await PictureEndpoints.BitstreamAsync(id, images, bitstreams, ct);
        var summary = (await images.SummariesAsync([bitstream.Image], ct)).GetValueOrDefault(bitstream.Image) ?? throw PictureEndpoints.NotFound();
        SearchModel model;
        float[] query;
        try
        {
            model = await models.GetAsync(ct);
            query = q is not null
                ? model.EncodeText(QueryText.Of(q, null).Positive ?? throw new RequestException(StatusCodes.Status400BadRequest, "q", "Give words to look for."))
                : await pictures.VectorAsync(new SearchRequest(Image: PictureEndpoints.Parse(other!, "image")), model, ct);
        }
        catch (NoModelException e)
        {
            throw new RequestException(StatusCodes.Status503ServiceUnavailable, "", e.Message);
        }

        var version = PictureRenderer.Version(bitstream);
        var tag = $"{version}-{model.Registered.Id}-{SearchCursor.HashOf(new SearchRequest(q ?? other)):x16}";
        if (PictureEndpoints.NotModified(http, tag))
        {
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        }

        var png = await renderer.OnceAsync($"heat-{bitstream.Image}-{tag}", async () =>
        {
            var windows = await model.EncodeWindows(await renderer.StreamAsync(bitstream, CancellationToken.None), CancellationToken.None);
            var background = Background.Of(query, model.Reference);
            var deviations = windows.Vectors.Select(v => background.Deviations(System.Numerics.Tensors.TensorPrimitives.Dot<float>(query, v))).ToArray();
            return ImageFiles.Encode(Draw(windows, deviations, summary.Width, summary.Height), ImageFormat.Png);
        }, ct);
        return TypedResults.Bytes(png, "image/png");
    }

    /// <summary>
    /// Each pixel is the mean of the windows over it, weighted by nearness to their centres; colours run from clear over orange to red between the
    /// picture's own least and most similar place.
    /// </summary>
    internal static Picture Draw(WindowVectors windows, double[] deviations, int pictureWidth, int pictureHeight)
    {
        var scale = (double)Side / Math.Max(pictureWidth, pictureHeight);
        var (width, height) = (Math.Max(1, (int)(pictureWidth * scale)), Math.Max(1, (int)(pictureHeight * scale)));
        var values = new double[width * height];
        double Centre(int index, int count, float size) => count == 1 ? 0.5 : (size / 2) + (index * (1 - size) / (count - 1));
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var (sum, weights) = (0.0, 0.0);
                for (var w = 0; w < deviations.Length; w++)
                {
                    var dx = (((x + 0.5) / width) - Centre(w % windows.Columns, windows.Columns, windows.Width)) / windows.Width;
                    var dy = (((y + 0.5) / height) - Centre(w / windows.Columns, windows.Rows, windows.Height)) / windows.Height;
                    var weight = Math.Exp(-6 * ((dx * dx) + (dy * dy)));
                    sum += weight * deviations[w];
                    weights += weight;
                }

                values[(y * width) + x] = sum / Math.Max(weights, 1e-12);
            }
        }

        var (low, high) = (values.Min(), values.Max());
        var pixels = new byte[width * height * 4];
        for (var i = 0; i < values.Length; i++)
        {
            // Below one deviation of difference there is no place to point at, only noise.
            var heat = (values[i] - low) / Math.Max(high - low, 1);
            (pixels[4 * i], pixels[(4 * i) + 1], pixels[(4 * i) + 2], pixels[(4 * i) + 3]) = (255, (byte)(200 * (1 - heat)), 30, (byte)(190 * heat * heat));
        }

        return new Picture(width, height, 4, pixels);
    }
}
