using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Query.Web;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Search;

/// <summary>A search from request to response: ranking, the page that was asked for, and what is shown of it.</summary>
public sealed class SearchService(Ranker ranker, RankingCache rankings, ImageReader images, HitExplainer explainer, IOptions<SearchOptions> settings)
{
    // Tags to narrow by come from the hits that a person would look at.
    private const int TagHits = 40;
    private const int TagsShown = 16;

    private readonly SearchOptions options = settings.Value;

    /// <exception cref="RequestException">The request cannot be answered as it is.</exception>
    public async Task<SearchResponse> SearchAsync(SearchRequest request, CancellationToken ct)
    {
        var start = Stopwatch.GetTimestamp();
        var text = QueryText.Of(request.Text, request.NegativeText);
        Check(request, text);
        var hash = SearchCursor.HashOf(request);
        var given = Cursor(request, hash);
        var last = given is { } known ? Task.FromResult(known.Bound) : images.LastAsync(ct);
        var size = request.K ?? options.PageSize;
        var ranking = await RankingAsync(request, text, hash, given, last, size, ct);
        var cursor = given ?? new(hash, await last, 0);

        var page = ranking.Hits.Skip(cursor.Offset).Take(size).ToArray();
        var shown = page.Select(h => h.Image).Concat(page.SelectMany(h => h.Duplicates));
        var forTags = cursor.Offset == 0 ? ranking.Hits.Take(TagHits).Select(h => h.Image) : [];
        var summaries = await images.SummariesAsync([.. shown.Concat(forTags).Distinct()], ct);
        var explanations = await explainer.ExplainAsync(request, text, page, summaries, ct);

        var none = ranking.Hits.Count == 0 || ranking.Hits[0].Relevance < options.Cutoff;
        var good = none ? options.Cutoff : Math.Min(options.Cutoff, options.FollowingCutoff);
        var hits = page.Select((h, i) => (Hit: h, Rank: cursor.Offset + i + 1)).Where(h => summaries.ContainsKey(h.Hit.Image))
            .Select(h => View(h.Hit, h.Rank, good, summaries, explanations.GetValueOrDefault(h.Hit.Image), request.GroupDuplicates)).ToArray();
        var next = cursor.Offset + size < ranking.Hits.Count ? (cursor with { Offset = cursor.Offset + size }).ToString() : null;
        return new(
            hits, none, good, next, ranking.Hits.Count, ranking.Partial,
            ranking.Model, new(ranking.Dense, ranking.Lexical), Tags(forTags, summaries),
            new(text.Positive, text.HasWords ? text.Words.ToString() : null, text.Negative, request.HasPicture, ranking.Merged?.Text, ranking.Merged?.By),
            Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 2));
    }

    private static void Check(SearchRequest request, QueryText text)
    {
        if (text.Positive is null && text.Negative.Count == 0 && !request.HasPicture)
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "text", "Give words, a picture or both.");
        }

        if (request.Mode == SearchMode.Lexical && !text.HasWords)
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "mode", "A lexical search needs words to look for.");
        }
    }

    private static SearchCursor? Cursor(SearchRequest request, ulong hash) =>
        request.Cursor is null ? null
        : !SearchCursor.TryParse(request.Cursor, out var cursor) ? throw new RequestException(StatusCodes.Status400BadRequest, "cursor", "This is no cursor.")
        : cursor.Query != hash ? throw new RequestException(StatusCodes.Status400BadRequest, "cursor", "This cursor belongs to another search; send it with the search that gave it.")
        : cursor;

    private async Task<Ranking> RankingAsync(SearchRequest request, QueryText text, ulong hash, SearchCursor? cursor, Task<long> last, int size, CancellationToken ct)
    {
        var ranking = cursor is { } known ? rankings.Find(hash, known.Bound) : null;
        var end = (cursor?.Offset ?? 0) + size;
        ranking ??= await ranker.RankAsync(request, text, last, growing: cursor is not null, deep: false, ct);
        if (!ranking.Deep && end >= ranking.Hits.Count)
        {
            var deeper = await ranker.RankAsync(request, text, last, growing: cursor is not null, deep: true, ct);
            ranking = deeper with { Hits = Fusion.Extend(ranking.Hits, deeper.Hits) };
        }

        // An answer that lacks a leg is not kept: the next page may have both again.
        if (!ranking.Partial)
        {
            rankings.Keep(hash, await last, ranking);
        }

        return ranking;
    }

    private SearchHit View(FusedHit h, int rank, double good, IReadOnlyDictionary<long, ImageSummary> summaries, HitExplanation? explanation, bool grouped)
    {
        var summary = summaries[h.Image];
        double Share(double part) => h.Score > 0 ? Math.Round(part / h.Score, 4) : 0;
        return new(
            rank, summary.Id, Math.Round(h.Relevance, 4), h.Relevance >= good, h.Score,
            h.Dense is { } d ? new(d.Rank, Math.Round(d.Cosine, 4), Math.Round(d.Deviations, 2), Math.Round(d.Probability, 4), Share(h.DensePart)) : null,
            h.Lexical is { } l ? new(l.Rank, Math.Round(l.Score, 4), Math.Round(l.Coverage, 4), Math.Round(l.Probability, 4), l.Written ? "written" : "guessed", Share(h.LexicalPart)) : null,
            PictureView.Of(summary),
            grouped ? [.. h.Duplicates.Where(summaries.ContainsKey).Select(i => summaries[i].Id)] : null,
            explanation);
    }

    private static TagCount[] Tags(IEnumerable<long> hits, IReadOnlyDictionary<long, ImageSummary> summaries) =>
        [.. hits.Where(summaries.ContainsKey).SelectMany(i => summaries[i].Tags.Distinct()).CountBy(t => t)
            .OrderByDescending(t => t.Value).ThenBy(t => t.Key, StringComparer.Ordinal).Take(TagsShown).Select(t => new TagCount(t.Key, t.Value))];
}
