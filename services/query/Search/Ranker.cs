using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Query.Models;
using ImageSearch.Query.Web;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

/// <summary>From a search to one ranked list: both legs at the same time, each within its budget, then fusion.</summary>
public sealed class Ranker(
    ActiveModels models, QueryPicture pictures, TextMerge merges, DenseLeg denseLeg, LexicalLeg lexicalLeg, VectorSearch vectors, IOptions<SearchOptions> settings, ILogger<Ranker> logger)
{
    private readonly SearchOptions options = settings.Value;

    /// <param name="last">Pictures with higher surrogate keys are left out. For a first page it may still be under way.</param>
    /// <param name="growing">Pictures may have arrived since the bound was taken.</param>
    /// <exception cref="RequestException">The query's picture is at fault, or no leg could answer (503).</exception>
    public async Task<Ranking> RankAsync(SearchRequest request, QueryText text, Task<long> last, bool growing, bool deep, CancellationToken ct)
    {
        var depth = deep ? options.DeepDepth : options.Depth;
        var filter = (request.Filter ?? ImageFilter.None) with { MaxImage = growing ? await last : null };
        var picture = request.HasPicture && request.Mode != SearchMode.Lexical ? await PictureAsync(request, text, ct) : null;
        var budget = TimeSpan.FromMilliseconds(options.LegBudgetMilliseconds);
        var query = new TaskCompletionSource<DenseQuery?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var matching = new TaskCompletionSource<long[]>(TaskCreationOptions.RunContinuationsAsynchronously);

        var dense = request.Mode == SearchMode.Lexical ? Task.FromResult<(IReadOnlyList<DenseHit>, LegReport)>(([], Leg.Off))
            : Leg.RunAsync(async token =>
            {
                var made = await DenseQueryAsync(request, text, picture, token);
                query.TrySetResult(made);
                return made is null ? [] : await denseLeg.SearchAsync(made, filter, text.Condition(options.Language), depth, options.EfSearch, request.Exact, token);
            }, budget, logger, ct);
        var lexical = request.Mode == SearchMode.Dense || !text.HasWords ? Task.FromResult<(IReadOnlyList<LexicalLegHit>, LegReport)>(([], Leg.Off))
            : Leg.RunAsync(token => lexicalLeg.SearchAsync(text, filter, depth, alone: request.Mode == SearchMode.Lexical, i => matching.TrySetResult(i), token), budget, logger, ct);
        var scored = ScoreMatchingAsync(query.Task, matching.Task, budget, ct);
        var (denseHits, denseReport) = await dense;
        var (lexicalHits, lexicalReport) = await lexical;
        query.TrySetResult(null);
        matching.TrySetResult([]);
        if (denseReport.State != "ok" && lexicalReport.State != "ok")
        {
            throw new RequestException(StatusCodes.Status503ServiceUnavailable, "", string.Join(" ", new[] { denseReport.Reason, lexicalReport.Reason }.Where(r => r is not null)));
        }

        if (denseReport.State == "ok" && lexicalHits.Count > 0)
        {
            var others = await scored;
            var found = denseHits.Select(h => h.Image).ToHashSet();
            denseHits = [.. denseHits, .. others.Where(h => !found.Contains(h.Image))];
        }

        var bound = await last;
        var fusion = request.Fusion ?? new FusionRequest();
        var model = denseReport.State == "ok" ? (await query.Task)?.Model : null;
        IEnumerable<FusedHit> fused = Fusion.Fuse(
            denseHits, lexicalHits, fusion.Method, fusion.DenseWeight ?? model?.DenseWeight ?? options.DenseWeight, fusion.RrfK ?? options.RrfK);
        List<FusedHit> hits = [.. fused.Where(h => h.Image <= bound)];
        if (request.GroupDuplicates && model is not null)
        {
            hits = NearDuplicates.Group(hits, await vectors.VectorsAsync(model.Registered, [.. hits.Select(h => h.Image)], ct), options.DuplicateCosine);
        }

        var complete = deep || (denseReport.Hits < depth && lexicalReport.Hits < depth);
        return new(hits, complete, denseReport, lexicalReport, model?.Name, picture?.Merged);
    }

    private async Task<(SearchModel Model, float[] Vector, MergedText? Merged)?> PictureAsync(SearchRequest request, QueryText text, CancellationToken ct)
    {
        try
        {
            var model = await models.GetAsync(ct);
            var vector = await pictures.VectorAsync(request, model, ct);
            if (request.Compose == Composition.Vector || text.Positive is not { } words || await pictures.CaptionAsync(request, model, vector, ct) is not { } caption)
            {
                return (model, vector, null);
            }

            return (model, vector, request.Compose == Composition.Llm ? await merges.MergeAsync(words, caption, ct) : TextMerge.ByTemplate(words, caption));
        }
        catch (NoModelException e)
        {
            throw new RequestException(StatusCodes.Status503ServiceUnavailable, "image", e.Message);
        }
    }

    private async Task<DenseQuery?> DenseQueryAsync(SearchRequest request, QueryText text, (SearchModel Model, float[] Vector, MergedText? Merged)? picture, CancellationToken ct)
    {
        var model = picture?.Model ?? await models.GetAsync(ct);
        var weights = request.Weights ?? new SearchWeights();
        List<(float[], double)> positive = [];
        if (text.Positive is { } words)
        {
            positive.Add((TextVector(model, words, picture?.Merged?.Text), weights.Text));
        }

        if (picture is { } p)
        {
            positive.Add((p.Vector, weights.Image));
        }

        float[][] negative = [.. text.Negative.Select(model.EncodeText)];
        return QueryVector.Compose(positive, negative, weights.Negative, model.Registered.Mean) is { } vector
            ? new(model, vector, negative, picture is not null && weights.Image > 0)
            : null;
    }

    /// <summary>With what the picture shows merged into the user's words, both readings count the same: "red" and "red, a small car".</summary>
    private static float[] TextVector(SearchModel model, string words, string? merged)
    {
        var plain = model.EncodeText(words);
        return merged is null ? plain : QueryVector.Compose([(plain, 1), (model.EncodeText(merged), 1)], [], 0, null) ?? plain;
    }

    /// <summary>Pictures that the words found get their resemblance too, so that both parts of the sum are known for them, while the legs are still at work.</summary>
    private async Task<IReadOnlyList<DenseHit>> ScoreMatchingAsync(Task<DenseQuery?> query, Task<long[]> matching, TimeSpan budget, CancellationToken ct) =>
        await matching is { Length: > 0 } images && await query is { } known
            ? (await Leg.RunAsync(token => denseLeg.ScoreAsync(known, images, token), budget, logger, ct)).Hits
            : [];
}
