namespace ImageSearch.Catalog.Lexical;

/// <summary>Settings of the BM25 index (section <c>Lexical</c>). <see cref="Language"/> and the field weights are built into the stored
/// postings: all processes on one database share them, and other values need <see cref="LexicalIndex.RebuildAsync"/> (weights) or
/// every document set again after <see cref="LexicalIndex.ClearAsync"/> (language).</summary>
public sealed record LexicalOptions
{
    /// <summary>A PostgreSQL text search configuration, such as <c>english</c>, <c>german</c> or <c>simple</c>.</summary>
    public string Language { get; init; } = "english";

    /// <summary>How fast repeated occurrences saturate; at least 0. Used at query time.</summary>
    public double K1 { get; init; } = 1.2;

    /// <summary>Length normalisation, 0 (none) to 1 (full). Used at query time.</summary>
    public double B { get; init; } = 0.75;

    /// <summary>Weight of an occurrence among the tags; 0.01 to 100, two decimals, like the three weights below.</summary>
    public decimal TagsWeight { get; init; } = 2m;

    public decimal CaptionWeight { get; init; } = 1m;

    public decimal CropCaptionsWeight { get; init; } = 0.5m;

    public decimal NameWeight { get; init; } = 1m;

    /// <summary>How many indexed lexemes <c>prefix*</c> may stand for; the most frequent ones are taken.</summary>
    public int PrefixExpansions { get; init; } = 32;

    /// <summary>The background loop merges once this many documents wait in the tail ...</summary>
    public int MergeDocuments { get; init; } = 2_000;

    /// <summary>... or the oldest has waited this long.</summary>
    public TimeSpan MergeAge { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Weights in hundredths: tags, caption, crop captions, name.</summary>
    internal int[] Hundredths()
    {
        int[] weights = [.. new[] { TagsWeight, CaptionWeight, CropCaptionsWeight, NameWeight }.Select(w => (int)(w * 100))];
        if (weights.Any(w => w is < 1 or > 10_000))
        {
            throw new ArgumentException("Field weights lie between 0.01 and 100.");
        }

        if (!(K1 >= 0 && double.IsFinite(K1)) || !(B is >= 0 and <= 1))
        {
            throw new ArgumentException("k1 is at least 0 and b between 0 and 1.");
        }

        return weights;
    }

    /// <summary>Greatest common divisor of the weights in hundredths: postings store multiples of it, so small whole numbers.</summary>
    internal int Unit()
    {
        return Hundredths().Aggregate(Gcd);

        static int Gcd(int a, int b) => b == 0 ? a : Gcd(b, a % b);
    }
}
