using System.Collections.Concurrent;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Contracts;

namespace ImageSearch.Query.Search;

/// <summary>Says why a picture is a hit.</summary>
public sealed class HitExplainer(LexicalIndex index, ImageReader images)
{
    private const int MaxExplained = 50;

    /// <summary>Explanations of the first hits; none where the request asks for none.</summary>
    public async Task<IReadOnlyDictionary<long, HitExplanation>> ExplainAsync(
        SearchRequest request, QueryText text, IReadOnlyList<FusedHit> hits, IReadOnlyDictionary<long, ImageSummary> summaries, CancellationToken ct)
    {
        var explanations = new ConcurrentDictionary<long, HitExplanation>();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = ct };
        await Parallel.ForEachAsync(hits.Take(request.Explain ? MaxExplained : 0).Where(h => summaries.ContainsKey(h.Image)), parallel, async (hit, token) =>
        {
            explanations[hit.Image] = await ExplainAsync(request, text with { Scored = hit.Lexical is null ? [] : text.Scored }, hit.Image, summaries[hit.Image].Id, token);
        });
        return explanations;
    }

    /// <summary>Explanation of one picture, whether or not the search finds it.</summary>
    public async Task<HitExplanation> ExplainAsync(SearchRequest request, QueryText text, long image, ImageId id, CancellationToken ct)
    {
        var bm25 = text.HasWords ? await index.ExplainAsync(text.Words, image, ct) : null;
        var terms = bm25?.Terms.Where(t => t.Score > 0).ToArray() ?? [];
        return new(
            [.. terms.Select(t => new TermShare(t.Lexeme, Math.Round(t.Idf, 4), Math.Round(t.Score, 4), Math.Round(t.Share, 4), Fields(t)))],
            terms.Length == 0 ? null : Region(await images.TextsAsync(image, ct), terms), Heatmap(request, text, id));
    }

    /// <summary>The region whose text holds the most of the matched words; of equals the smallest, which says the most about where.</summary>
    internal static MatchedRegion? Region(ImageTexts? texts, IReadOnlyList<LexicalTermExplanation> terms)
    {
        if (texts is null || terms.Count == 0)
        {
            return null;
        }

        var best = texts.Regions.Select(r => (Region: r, Words: WordsIn(r, terms))).Where(r => r.Words.Count > 0)
            .OrderByDescending(r => r.Words.Count).ThenBy(r => r.Region.Width * r.Region.Height).ThenBy(r => r.Region.Region).FirstOrDefault();
        return best.Region is { } region
            ? new(region.Region, region.X, region.Y, region.Width, region.Height, region.Caption, best.Words)
            : null;
    }

    // A lexeme is a stem: "hous" stands for house, houses, housing.
    private static List<string> WordsIn(RegionText region, IReadOnlyList<LexicalTermExplanation> terms)
    {
        var words = region.Tags.Append(region.Caption).SelectMany(t => t.ToLowerInvariant().Split([' ', ',', '.', ';', ':', '-', '"', '(', ')'], StringSplitOptions.RemoveEmptyEntries)).ToHashSet();
        return [.. terms.Where(t => words.Any(w => w.StartsWith(t.Lexeme, StringComparison.Ordinal))).Select(t => t.Lexeme)];
    }

    private static string[] Fields(LexicalTermExplanation t) =>
        [.. new[] { (t.InTags, "tags"), (t.InCaption, "caption"), (t.InCropCaptions, "cropCaptions"), (t.InName, "name") }.Where(f => f.Item1 > 0).Select(f => f.Item2)];

    private static string? Heatmap(SearchRequest request, QueryText text, ImageId id) =>
        text.Positive is { } words ? $"/api/images/{id}/heatmap?q={Uri.EscapeDataString(words)}"
        : request.Image is { } image ? $"/api/images/{id}/heatmap?image={image}"
        : null;
}
