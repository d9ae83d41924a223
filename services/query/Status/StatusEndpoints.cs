using ImageSearch.Catalog;
using ImageSearch.Query.Models;
using ImageSearch.Query.Web;

namespace ImageSearch.Query.Status;

/// <param name="Bytes">Of the pictures that are encoded: originals against bitstreams.</param>
/// <param name="Model">Embedding model that answers; null while there is none.</param>
public sealed record StatusView(Progress Pictures, StoredBytes Bytes, string? Model);

/// <summary>Counts that cost a scan, kept for a moment and shared by everyone who asks meanwhile.</summary>
public sealed class StatusReader(ProgressCatalog progress, ImageReader images, ActiveModels models, TimeProvider time)
{
    private readonly Moment<StatusView> status = new(time, TimeSpan.FromSeconds(1));
    private readonly Moment<IReadOnlyList<TagCount>> tags = new(time, TimeSpan.FromSeconds(30));

    public Task<StatusView> StatusAsync(CancellationToken ct) => status.GetAsync(async token =>
    {
        string? model;
        try
        {
            model = (await models.GetAsync(token)).Name;
        }
        catch (NoModelException)
        {
            model = null;
        }

        return new StatusView(await progress.CountAsync(ct: token), await images.StoredBytesAsync(token), model);
    }, ct);

    public Task<IReadOnlyList<TagCount>> TagsAsync(CancellationToken ct) => tags.GetAsync(token => images.TagsAsync(50_000, token), ct);
}

public static class StatusEndpoints
{
    public static void MapStatus(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api").WithTags("Status");
        group.MapGet("/status", (StatusReader reader, CancellationToken ct) => reader.StatusAsync(ct))
            .WithName("Status").WithSummary("How many pictures are stored, encoded, embedded, captioned and searchable, and the bytes saved");
        group.MapGet("/tags", async (HttpRequest http, StatusReader reader, CancellationToken ct) =>
        {
            var prefix = http.Query["prefix"].ToString().Trim();
            var limit = QueryFields.Integer(http, "limit", 1, 1000) ?? 20;
            return (await reader.TagsAsync(ct)).Where(t => t.Tag.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)).Take(limit).ToArray();
        })
            .WithName("Tags").WithSummary("Tags that start with ?prefix=, the most frequent first").Produces<TagCount[]>().ProducesValidationProblem();
    }
}
