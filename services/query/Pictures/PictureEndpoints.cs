using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;
using Microsoft.Net.Http.Headers;

namespace ImageSearch.Query.Pictures;

public static class PictureEndpoints
{
    private const int MaxWidth = 16_000;

    public static void MapPictures(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/images").WithTags("Pictures");
        group.MapGet("/", ListAsync).WithName("ListPictures").WithSummary("Newest pictures: ?k=24&before=ID").Produces<PictureList>().ProducesValidationProblem();
        group.MapGet("/{id}", DetailsAsync).WithName("Picture").WithSummary("Sizes, keys, texts and where they come from").Produces<PictureDetails>().ProducesProblem(404);
        group.MapGet("/{id}/content", ContentAsync).WithName("PictureContent").WithSummary("Decoded from the bitstream: ?width=800&format=webp|jpeg|png")
            .Produces(200, contentType: "image/webp", additionalContentTypes: ["image/jpeg", "image/png"]).ProducesProblem(404);
        group.MapGet("/{id}/thumbnail", ThumbnailAsync).WithName("Thumbnail").WithSummary("Small WebP").Produces(200, contentType: "image/webp").ProducesProblem(404);
        group.MapGet("/{id}/original", OriginalAsync).WithName("Original").WithSummary("The uploaded bytes, while they are kept").Produces(200, contentType: "application/octet-stream").ProducesProblem(404);
        group.MapGet("/{id}/similar", SimilarAsync).WithName("Similar").WithSummary("Pictures that resemble this one: ?k=24").Produces<SearchResponse>().ProducesProblem(404);
        group.MapGet("/{id}/explanation", ExplanationAsync).WithName("Explanation").WithSummary("Why this picture is a hit for ?q=words, ?image=ID or both").Produces<HitExplanation>().ProducesValidationProblem().ProducesProblem(404);
        group.MapGet("/{id}/heatmap", Heatmap.GetAsync).WithName("Heatmap").WithSummary("Where the picture resembles ?q=words or ?image=ID, as a transparent PNG over it")
            .Produces(200, contentType: "image/png").ProducesValidationProblem().ProducesProblem(404);
    }

    /// <exception cref="RequestException">Not an id.</exception>
    internal static ImageId Parse(string id, string field = "id") =>
        ImageId.TryParse(id, out var parsed) ? parsed : throw new RequestException(StatusCodes.Status400BadRequest, field, "must be the 64 hexadecimal digits of the picture's SHA-256.");

    /// <summary>The picture's bitstream.</summary>
    /// <exception cref="RequestException">Unknown, or not encoded yet.</exception>
    internal static async Task<Bitstream> BitstreamAsync(string id, ImageReader images, BitstreamCatalog bitstreams, CancellationToken ct)
    {
        var image = await images.FindAsync(Parse(id), ct) ?? throw NotFound();
        return await bitstreams.FindAsync(image, ct) ?? throw new RequestException(StatusCodes.Status404NotFound, "id", "This picture is not encoded yet.");
    }

    internal static RequestException NotFound() => new(StatusCodes.Status404NotFound, "id", "There is no picture with this id.");

    private static async Task<IResult> ListAsync(HttpRequest http, ImageReader images, CancellationToken ct)
    {
        var k = QueryFields.Integer(http, "k", 1, SearchOptions.MaxPage) ?? 24;
        long? before = null;
        if (QueryFields.Text(http, "before", 100) is { } text)
        {
            before = ImageId.TryParse(text, out var id) && await images.FindAsync(id, ct) is { } known
                ? known - 1 : throw new RequestException(StatusCodes.Status400BadRequest, "before", "There is no picture with this id.");
        }

        var ids = await images.NewestAsync(new ImageFilter(MaxImage: before), k, ct);
        var summaries = await images.SummariesAsync([.. ids], ct);
        ListedPicture[] listed = [.. ids.Where(summaries.ContainsKey).Select(i => new ListedPicture(summaries[i].Id, PictureView.Of(summaries[i])))];
        return TypedResults.Ok(new PictureList(listed, ids.Count == k ? listed[^1].Id : null));
    }

    private static async Task<IResult> DetailsAsync(string id, ImageReader images, CancellationToken ct) =>
        TypedResults.Ok(PictureDetails.Of(await images.DetailsAsync(Parse(id), ct) ?? throw NotFound()));

    private static async Task<IResult> ContentAsync(string id, HttpContext http, ImageReader images, BitstreamCatalog bitstreams, PictureRenderer renderer, CancellationToken ct)
    {
        var width = QueryFields.Integer(http.Request, "width", 16, MaxWidth);
        var format = QueryFields.Choice(http.Request, "format", ImageFormat.WebP, ("webp", ImageFormat.WebP), ("jpeg", ImageFormat.Jpeg), ("png", ImageFormat.Png));
        var bitstream = await BitstreamAsync(id, images, bitstreams, ct);
        if (format == ImageFormat.WebP && width is null)
        {
            // WebP ends at 16,383 pixels a side.
            width = MaxWidth;
        }

        var tag = $"{PictureRenderer.Version(bitstream)}-{width}-{format.Extension()}";
        if (NotModified(http, tag))
        {
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        }

        return TypedResults.Bytes(await renderer.RenderAsync(bitstream, width, format, ct), format.MediaType());
    }

    private static async Task<IResult> ThumbnailAsync(string id, HttpContext http, ImageReader images, BitstreamCatalog bitstreams, ObjectStore store, CancellationToken ct)
    {
        var bitstream = await BitstreamAsync(id, images, bitstreams, ct);
        if (NotModified(http, PictureRenderer.Version(bitstream) + "-t"))
        {
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        }

        var stored = await store.GetAsync(store.Options.DerivedBucket, bitstream.ThumbnailKey, 4 << 20, ct)
            ?? throw new RequestException(StatusCodes.Status404NotFound, "id", "The thumbnail is missing in the object store.");
        return TypedResults.Bytes(stored.Content, "image/webp");
    }

    private static async Task<IResult> OriginalAsync(string id, HttpContext http, ImageReader images, ObjectStore store, CancellationToken ct)
    {
        var image = await images.FindAsync(Parse(id), ct) ?? throw NotFound();
        var summary = (await images.SummariesAsync([image], ct)).GetValueOrDefault(image) ?? throw NotFound();
        foreach (var o in (await images.ObjectsAsync(image, ct)).Take(4))
        {
            if (await store.GetAsync(o.Bucket, o.Key, ct: ct) is { } stored && stored.Content.LongLength == summary.Bytes)
            {
                // Never shown by a browser: it is what somebody uploaded.
                http.Response.Headers.ContentDisposition = $"attachment; filename=\"{id[..16]}.{summary.Format}\"";
                http.Response.Headers.CacheControl = "private, no-cache";
                return TypedResults.Bytes(stored.Content, "application/octet-stream");
            }
        }

        throw new RequestException(StatusCodes.Status404NotFound, "id", "The original is no longer kept; /content has the picture from its bitstream.");
    }

    private static async Task<IResult> SimilarAsync(string id, HttpRequest http, SearchService search, ImageReader images, CancellationToken ct)
    {
        var parsed = Parse(id);
        _ = await images.FindAsync(parsed, ct) ?? throw NotFound();
        var k = QueryFields.Integer(http, "k", 1, SearchOptions.MaxPage - 1) ?? 24;
        var found = await search.SearchAsync(new SearchRequest(Image: parsed, Mode: SearchMode.Dense, K: k + 1), ct);
        return TypedResults.Ok(found with { Hits = [.. found.Hits.Where(h => h.Id != parsed).Take(k)], Cursor = null });
    }

    private static async Task<IResult> ExplanationAsync(string id, HttpRequest http, HitExplainer explainer, ImageReader images, CancellationToken ct)
    {
        var q = QueryFields.Text(http, "q", SearchRequestReader.MaxText);
        var other = QueryFields.Text(http, "image", 100);
        if (q is null && other is null)
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "q", "Give q=words, image=ID or both.");
        }

        var parsed = Parse(id);
        var image = await images.FindAsync(parsed, ct) ?? throw NotFound();
        return TypedResults.Ok(await explainer.ExplainAsync(new SearchRequest(Image: other is null ? null : Parse(other, "image")), QueryText.Of(q, null), image, parsed, ct));
    }

    /// <summary>Sets ETag and cache headers; true if the caller has this version. The same URL may change when a picture is encoded again, so caches ask after an hour.</summary>
    internal static bool NotModified(HttpContext http, string tag)
    {
        var etag = new EntityTagHeaderValue($"\"{tag}\"");
        http.Response.Headers.ETag = etag.ToString();
        http.Response.Headers.CacheControl = "private, max-age=3600";
        return http.Request.GetTypedHeaders().IfNoneMatch?.Any(t => t.Compare(etag, useStrongComparison: false) || t == EntityTagHeaderValue.Any) == true;
    }
}
