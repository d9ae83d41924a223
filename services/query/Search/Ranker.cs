using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Query.Models;
using ImageSearch.Query.Web;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

/// <summary>From a search to one ranked list: both legs at the same time, each within its budget, then fusion.</summary>
public sealed class Ranker(
    ActiveModels models, QueryPicture pictures, DenseLeg denseLeg, LexicalLeg lexicalLeg, VectorSearch vectors, IOptions<SearchOptions> settings, ILogger<Ranker> logger)
{
    private readonly SearchOptions options = settings.Value;

    /// <param name="bound">Pictures with higher surrogate keys are left out.</param>
    /// <param name="growing">Pictures may have arrived since the bound was taken.</param>
    /// <exception cref="RequestException">The query's picture is at fault, or no leg could answer (503).</exception>
    public async Task<Ranking> RankAsync(SearchRequest request, QueryText text, long bound, bool growing, bool deep, CancellationToken ct)
    {
        var depth = deep ? options.DeepDepth : options.Depth;
        var filter = (request.Filter ?? ImageFilter.None) with { MaxImage = growing ? bound : null };
        var picture = request.HasPicture && request.Mode != SearchMode.Lexical ? await PictureAsync(request, ct) : null;
        var budget = TimeSpan.FromMilliseconds(options.LegBudgetMilliseconds);
        var query = new TaskCompletionSource<DenseQuery?>(TaskCreationOptions.RunContinuationsAsynchronously);

        var dense = request.Mode == SearchMode.Lexical ? Task.FromResult<(IReadOnlyList<DenseHit>, LegReport)>(([], Leg.Off))
            : Leg.RunAsync(async token =>
            {
                var made = await DenseQueryAsync(request, text, picture, token);
                query.TrySetResult(made);
                return made is null ? [] : await denseLeg.SearchAsync(made, filter, text.Condition(options.Language), depth, options.EfSearch, request.Exact, token);
            }, budget, logger, ct);
        var lexical = request.Mode == SearchMode.Dense || !text.HasWords ? Task.FromResult<(IReadOnlyList<LexicalLegHit>, LegReport)>(([], Leg.Off))
            : Leg.RunAsync(token => lexicalLeg.SearchAsync(text, filter, depth, alone: request.Mode == SearchMode.Lexical, token), budget, logger, ct);
        var (denseHits, denseReport) = await dense;
        var (lexicalHits, lexicalReport) = await lexical;
        query.TrySetResult(null);
        if (denseReport.State != "ok" && lexicalReport.State != "ok")
        {
            throw new RequestException(StatusCodes.Status503ServiceUnavailable, "", string.Join(" ", new[] { denseReport.Reason, lexicalReport.Reason }.Where(r => r is not null)));
        }

        if (denseReport.State == "ok" && await query.Task is { } known)
        {
            denseHits = [.. denseHits, .. await ScoreOthersAsync(known, denseHits, lexicalHits, budget, ct)];
        }

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
        return new(hits, complete, denseReport, lexicalReport, model?.Name);
    }

    private async Task<(SearchModel Model, float[] Vector, string? Caption)?> PictureAsync(SearchRequest request, CancellationToken ct)
    {
        try
        {
            var model = await models.GetAsync(ct);
            var vector = await pictures.VectorAsync(request, model, ct);
            var merge = request.Compose == Composition.Template && request.Text is not null;
            return (model, vector, merge ? await pictures.CaptionAsync(request, model, vector, ct) : null);
        }
        catch (NoModelException e)
        {
            throw new RequestException(StatusCodes.Status503ServiceUnavailable, "image", e.Message);
        }
    }

    private async Task<DenseQuery?> DenseQueryAsync(SearchRequest request, QueryText text, (SearchModel Model, float[] Vector, string? Caption)? picture, CancellationToken ct)
    {
        var model = picture?.Model ?? await models.GetAsync(ct);
        var weights = request.Weights ?? new SearchWeights();
        List<(float[], double)> positive = [];
        if (text.Positive is { } words)
        {
            positive.Add((TextVector(model, words, picture?.Caption), weights.Text));
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

    /// <summary>With a caption of the picture beside the user's words, both readings count the same: "red" and "red, a small car".</summary>
    private static float[] TextVector(SearchModel model, string words, string? caption)
    {
        var plain = model.EncodeText(words);
        return caption is null ? plain : QueryVector.Compose([(plain, 1), (model.EncodeText($"{words}, {caption}"), 1)], [], 0, null) ?? plain;
    }

    /// <summary>Pictures that only the words found get their resemblance too, so that both parts of the sum are known for them.</summary>
    private async Task<IReadOnlyList<DenseHit>> ScoreOthersAsync(
        DenseQuery query, IReadOnlyList<DenseHit> dense, IReadOnlyList<LexicalLegHit> lexical, TimeSpan budget, CancellationToken ct)
    {
        var found = dense.Select(h => h.Image).ToHashSet();
        long[] others = [.. lexical.Select(h => h.Image).Where(i => !found.Contains(i))];
        return others.Length == 0 ? [] : (await Leg.RunAsync(token => denseLeg.ScoreAsync(query, others, token), budget, logger, ct)).Hits;
    }
}
