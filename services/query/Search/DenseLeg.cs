using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Query.Models;

namespace ImageSearch.Query.Search;

/// <summary>What is searched for in the vector space.</summary>
/// <param name="Vector">Unit vector of the whole query.</param>
/// <param name="Negative">Unit vectors of what must not be shown.</param>
/// <param name="ByPicture">A picture takes part in the query.</param>
public sealed record DenseQuery(SearchModel Model, float[] Vector, IReadOnlyList<float[]> Negative, bool ByPicture)
{
    private readonly Lazy<(Background Query, Background[] Negative)> backgrounds = new(() =>
        (Background.Of(Vector, Model.Reference), [.. Negative.Select(n => Background.Of(n, Model.Reference))]));

    /// <summary>What unrelated pictures reach for the query.</summary>
    public Background Background => backgrounds.Value.Query;

    public IReadOnlyList<Background> NegativeBackgrounds => backgrounds.Value.Negative;
}

/// <summary>Resemblance: nearest vectors, with the probability that they are what was asked for.</summary>
public sealed class DenseLeg(VectorSearch vectors)
{
    // A smaller chance that a picture shows what it must not is noise, and would only shuffle the best hits.
    private const double Doubt = 0.05;

    public async Task<IReadOnlyList<DenseHit>> SearchAsync(DenseQuery query, ImageFilter filter, WordCondition? words, int depth, int efSearch, bool exact, CancellationToken ct)
    {
        var options = new VectorSearchOptions(depth, Math.Max(efSearch, Math.Min(depth, 1000)), exact ? VectorScan.Exact : VectorScan.Automatic, filter, words);
        var hits = await vectors.SearchAsync(query.Model.Registered, query.Vector, options, query.Negative, ct);
        var scored = Score(query, hits);
        return [.. scored.OrderByDescending(h => h.Probability).ThenByDescending(h => h.Deviations).ThenBy(h => h.Image).Select((h, i) => h with { Rank = i + 1 })];
    }

    /// <summary>The same figures for pictures that the other leg found.</summary>
    public async Task<IReadOnlyList<DenseHit>> ScoreAsync(DenseQuery query, long[] images, CancellationToken ct) =>
        images.Length == 0 ? [] : Score(query, await vectors.ScoreAsync(query.Model.Registered, query.Vector, images, query.Negative, ct));

    private static IReadOnlyList<DenseHit> Score(DenseQuery query, IReadOnlyList<VectorHit> hits)
    {
        var background = query.Background;
        var against = query.NegativeBackgrounds;
        var calibration = query.ByPicture ? query.Model.Calibration.Image : query.Model.Calibration.Text;
        return [.. hits.Select(h =>
        {
            var deviations = background.Deviations(h.Cosine);
            var probability = calibration.Probability(deviations, background.Tail);
            for (var i = 0; i < against.Count; i++)
            {
                var unwanted = query.Model.Calibration.Text.Probability(against[i].Deviations(h.OtherCosines[i]), against[i].Tail);
                probability *= unwanted < Doubt ? 1 : 1 - unwanted;
            }

            return new DenseHit(h.Image, null, h.Cosine, deviations, probability);
        })];
    }
}
