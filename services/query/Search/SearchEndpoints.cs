using ImageSearch.Query.Web;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

public static class SearchEndpoints
{
    public static void MapSearch(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api").WithTags("Search");
        group.MapPost("/search", PostAsync)
            .WithName("Search")
            .WithSummary("Finds pictures by words, by a picture, or by both")
            .WithDescription("JSON, or multipart/form-data with the fields 'query' (the same JSON) and 'image' (a picture file). Words understand +must, -not, \"a phrase\", tag:word and prefix*.")
            .Accepts<SearchRequest>("application/json", "multipart/form-data")
            .Produces<SearchResponse>()
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .DisableAntiforgery();
        group.MapGet("/search", GetAsync)
            .WithName("SearchByQueryString")
            .WithSummary("The same for simple searches: ?q=red+car&k=10")
            .WithDescription("Parameters: q, k, mode, image, negativeText, compose, cursor, explain, groupDuplicates, exact, tag (repeatable), format (repeatable), minWidth, minHeight, orientation, keyPrefix, uploadedFrom, uploadedTo, takenFrom, takenTo.")
            .Produces<SearchResponse>()
            .ProducesValidationProblem();
    }

    private static async Task<Results<Ok<SearchResponse>, ValidationProblem>> PostAsync(HttpRequest http, SearchService search, IOptions<SearchOptions> options, CancellationToken ct)
    {
        var errors = new FieldErrors();
        var request = await SearchRequestReader.ReadAsync(http, options.Value, errors, ct);
        return request is null || errors.Any ? errors.ToProblem() : TypedResults.Ok(await search.SearchAsync(request, ct));
    }

    private static async Task<Results<Ok<SearchResponse>, ValidationProblem>> GetAsync(HttpRequest http, SearchService search, CancellationToken ct)
    {
        var errors = new FieldErrors();
        var request = SearchRequestReader.ReadQuery(http.Query, errors);
        return request is null || errors.Any ? errors.ToProblem() : TypedResults.Ok(await search.SearchAsync(request, ct));
    }
}
