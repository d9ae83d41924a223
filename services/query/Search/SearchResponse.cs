using ImageSearch.Catalog;
using ImageSearch.Contracts;

namespace ImageSearch.Query.Search;

/// <param name="NoGoodMatch">Nothing in the collection is likely to be what was asked for; the hits are merely the nearest.</param>
/// <param name="Cutoff">Relevance below which a hit of this list is not a good match; lower where the first hit is one.</param>
/// <param name="Cursor">Asks for the next page; null on the last one.</param>
/// <param name="Reachable">Hits that paging can reach.</param>
/// <param name="Partial">A leg did not answer: see <paramref name="Legs"/>.</param>
/// <param name="Tags">Most frequent tags among the first hits, to narrow by.</param>
public sealed record SearchResponse(
    IReadOnlyList<SearchHit> Hits, bool NoGoodMatch, double Cutoff, string? Cursor, int Reachable, bool Partial,
    string? Model, LegReports Legs, IReadOnlyList<TagCount> Tags, ReadAs ReadAs, double Milliseconds);

public sealed record LegReports(LegReport Dense, LegReport Lexical);

/// <param name="State"><c>ok</c>, <c>late</c>, <c>failed</c> or <c>off</c> (the query has nothing for it, or the mode leaves it out).</param>
public sealed record LegReport(string State, int Hits, double Milliseconds, string? Reason = null);

/// <summary>How the query was understood.</summary>
/// <param name="Text">What was turned into a vector.</param>
/// <param name="Words">What was looked up as words.</param>
/// <param name="Not">What the pictures must not show.</param>
/// <param name="Merged">The user's words and what the query's picture shows as one text, where <c>compose</c> asks for that.</param>
/// <param name="MergedBy"><c>llm</c> or <c>template</c>.</param>
public sealed record ReadAs(string? Text, string? Words, IReadOnlyList<string> Not, bool Picture, string? Merged, string? MergedBy);

/// <param name="Relevance">0 to 1, falling along the list.</param>
/// <param name="Score">What the list is sorted by.</param>
/// <param name="Good">Relevance reaches the list's cut-off.</param>
/// <param name="Duplicates">Near-duplicates of this picture among the hits, where grouping was asked for.</param>
public sealed record SearchHit(
    int Rank, ImageId Id, double Relevance, bool Good, double Score, DenseShare? Dense, LexicalShare? Lexical, PictureView Picture,
    IReadOnlyList<ImageId>? Duplicates, HitExplanation? Explanation);

/// <param name="Deviations">Standard deviations above what unrelated pictures reach for this query.</param>
/// <param name="Probability">Calibrated, 0 to 1.</param>
/// <param name="Share">Of the fused score, 0 to 1.</param>
public sealed record DenseShare(int? Rank, double Cosine, double Deviations, double Probability, double Share);

/// <param name="Score">BM25.</param>
/// <param name="Coverage">Score against that of a picture whose text holds every word once.</param>
/// <param name="Source"><c>written</c> (by people or a language model) or <c>guessed</c> (from the picture's vector).</param>
public sealed record LexicalShare(int Rank, double Score, double Coverage, double Probability, string Source, double Share);

/// <param name="BitstreamBytes">0 while it is not encoded.</param>
public sealed record PictureView(
    int Width, int Height, string Format, long Bytes, long BitstreamBytes, DateTimeOffset? TakenAt, DateTimeOffset UploadedAt,
    string Key, string Caption, IReadOnlyList<string> Tags, string? Captioner)
{
    public static PictureView Of(ImageSummary s) => new(
        s.Width, s.Height, s.Format, s.Bytes, s.BitstreamBytes, s.TakenAt, s.UploadedAt, s.Key, s.Caption, s.Tags, s.Captioner);
}

/// <param name="Terms">The words' parts in the BM25 score.</param>
/// <param name="Region">The region whose text holds the most of the query's words.</param>
/// <param name="Heatmap">Where the picture resembles the query, as PNG; null for queries by uploaded picture.</param>
public sealed record HitExplanation(IReadOnlyList<TermShare> Terms, MatchedRegion? Region, string? Heatmap);

/// <param name="Fields">Where the word stands: tags, caption, cropCaptions, name.</param>
public sealed record TermShare(string Word, double Idf, double Score, double Share, IReadOnlyList<string> Fields);

/// <summary>Rectangle as shares of width and height.</summary>
public sealed record MatchedRegion(int Region, float X, float Y, float Width, float Height, string Caption, IReadOnlyList<string> Words);
