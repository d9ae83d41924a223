using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Operator.Audits;

namespace ImageSearch.Operator.Pictures;

public sealed record PictureEvent(DateTimeOffset At, string Stage, string? Bucket, string? Key, string? Detail, string? TraceId);

/// <param name="Complete">Searchable in every way: all stages are done.</param>
/// <param name="Stuck">First stage that is not done, with its reason; null if complete.</param>
public sealed record PictureView(string Asked, bool Complete, WayStep? Stuck, PictureState? Picture, IReadOnlyList<WayStep> Way, IReadOnlyList<PictureEvent> Events, IReadOnlyList<FailureSummary> Failures);

/// <param name="Stage">encode, embed or caption.</param>
public sealed record ReprocessRequest(string Stage, string? Model = null, bool Force = false);

internal static class PictureEndpoints
{
    public static void MapPictures(this IEndpointRouteBuilder app)
    {
        var pictures = app.MapGroup("/api/pictures").WithTags("Pictures");
        pictures.MapGet("/", ViewAsync).WithSummary("The whole way of a picture; q is its number, id or key").Produces<PictureView>();
        pictures.MapGet("/{image:long}/thumbnail", async (PictureCatalog catalog, ObjectStore store, long image, CancellationToken ct) =>
            await catalog.FindAsync(image, ct) is { Bitstream: { } b } && await store.GetAsync(store.Options.DerivedBucket, b.ThumbnailKey, 16L << 20, ct) is { } read
                ? Results.Bytes(read.Content, "image/webp") : OperatorApi.NotFound($"Image {image} has no thumbnail."));
        pictures.MapPost("/{image:long}/reprocess", async (PictureCatalog catalog, Repairs repairs, OperatorLog journal, HttpContext http, long image, ReprocessRequest request, CancellationToken ct) =>
        {
            if (!Stages.All.Contains(request.Stage))
            {
                return OperatorApi.BadRequest($"Stage is one of {string.Join(", ", Stages.All)}.");
            }

            if (await catalog.FindAsync(image, ct) is not { } picture)
            {
                return OperatorApi.NotFound($"There is no image {image}.");
            }

            await repairs.RequestAsync(image, ImageId.Parse(picture.ImageId), request.Stage, request.Model, request.Force, ct);
            await journal.WriteAsync(http.Actor(), $"reprocess {request.Stage}", $"image {image}", request.Force ? "forced" : "", ct);
            return Results.Accepted();
        }).WithSummary("Asks for a stage of one image");
    }

    private static async Task<IResult> ViewAsync(
        PictureCatalog catalog, StageEventCatalog timeline, FailureQueries failures, StageControlCatalog switches, TimeProvider time, string q, CancellationToken ct)
    {
        var picture = await catalog.ResolveAsync(q, ct) is { } image ? await catalog.FindAsync(image, ct) : null;
        var id = ImageId.TryParse(picture?.ImageId ?? q, out var parsed) ? parsed : (ImageId?)null;
        var key = picture is null && id is null ? q : null;

        // An image that is gone still has its events and failures.
        var number = picture?.Image ?? (long.TryParse(q, out var asked) ? asked : null);
        var events = await timeline.OfPictureAsync(number, id?.ToBytes(), key, ct);
        var failed = await failures.OfPictureAsync(number, id, picture?.Keys.FirstOrDefault()?.Key ?? key, ct);
        if (picture is null && events.Count == 0 && failed.Count == 0)
        {
            return OperatorApi.NotFound($"Nothing is known of '{q}': no image with this number, id or key, no event and no failure. If the object is in the store, an audit with repair makes it known.");
        }

        var paused = (await switches.ListAsync(ct)).Where(s => s.Paused).Select(s => s.Queue).ToHashSet();
        var way = PictureWay.Of(picture, events, failed, paused, time.GetUtcNow());
        var stuck = way.FirstOrDefault(s => s.State != "done");
        return Results.Ok(new PictureView(q, stuck is null, stuck, picture, way,
            [.. events.Select(e => new PictureEvent(e.At, e.Stage, e.Bucket, e.Key, e.Detail, e.TraceId))], failed));
    }
}
