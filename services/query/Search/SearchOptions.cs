using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Query.Search;

/// <summary>Settings section "Search". The formulas that use them are in docs/search.md.</summary>
public sealed class SearchOptions
{
    public const string Section = "Search";

    public const int MaxPage = 200;

    /// <summary>Hits per page where the request names none.</summary>
    [Range(1, MaxPage)]
    public int PageSize { get; set; } = 24;

    /// <summary>Hits that each leg finds for the first pages. At 200 the database works a third more for each search.</summary>
    [Range(10, 1000)]
    public int Depth { get; set; } = 100;

    /// <summary>Hits that each leg finds when someone pages beyond <see cref="Depth"/>.</summary>
    [Range(10, 5000)]
    public int DeepDepth { get; set; } = 1000;

    /// <summary>Candidate list of the HNSW scan.</summary>
    [Range(10, 1000)]
    public int EfSearch { get; set; } = 160;

    /// <summary>Milliseconds after which a leg is late and the other one answers alone.</summary>
    [Range(10, 60_000)]
    public int LegBudgetMilliseconds { get; set; } = 1_500;

    /// <summary>Weight of resemblance in the convex combination; words have the rest.</summary>
    [Range(0, 1)]
    public double DenseWeight { get; set; } = 0.3;

    /// <summary>Constant of reciprocal rank fusion.</summary>
    [Range(1, 10_000)]
    public double RrfK { get; set; } = 60;

    /// <summary>Share of a hit's probability that words written by people or by a language model are worth.</summary>
    [Range(0, 1)]
    public double WrittenWords { get; set; } = 0.95;

    /// <summary>The same for tags that were guessed from the picture's own vector.</summary>
    [Range(0, 1)]
    public double GuessedWords { get; set; } = 0.2;

    /// <summary>The same for guessed tags where only words are asked for.</summary>
    [Range(0, 1)]
    public double GuessedWordsAlone { get; set; } = 0.7;

    /// <summary>Where the first hit lies below this relevance, there is no good match.</summary>
    [Range(0, 1)]
    public double Cutoff { get; set; } = 0.5;

    /// <summary>Where the first hit reaches the cut-off, the hits behind it are good matches down to this relevance: one sure match speaks for its neighbours.</summary>
    [Range(0, 1)]
    public double FollowingCutoff { get; set; } = 0.25;

    /// <summary>Cosine from which two pictures count as near-duplicates.</summary>
    [Range(0, 1)]
    public double DuplicateCosine { get; set; } = 0.97;

    /// <summary>Text search configuration of the lexical index.</summary>
    [Required, RegularExpression("^[a-z_]+$")]
    public string Language { get; set; } = "english";

    /// <summary>Bytes of a query picture.</summary>
    [Range(1024, 100 << 20)]
    public int MaxPictureBytes { get; set; } = 25 << 20;

    /// <summary>Pictures that are encoded or decoded at the same time; more wait.</summary>
    [Range(1, 64)]
    public int PictureConcurrency { get; set; } = 2;

    /// <summary>Megabytes of decoded pictures kept in memory.</summary>
    [Range(0, 10_000)]
    public int PictureCacheMegabytes { get; set; } = 64;
}
