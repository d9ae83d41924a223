namespace ImageSearch.Catalog.Lexical;

/// <summary>The words of one image by field.</summary>
/// <param name="Name">File name and key words.</param>
public sealed record LexicalDocument(IReadOnlyList<string> Tags, string Caption, IReadOnlyList<string> CropCaptions, string Name);

public sealed record LexicalHit(long ImageId, double Score);

/// <summary>A word of a query, as it is indexed.</summary>
/// <param name="Idf">What one occurrence in a document of average length adds to the score.</param>
/// <param name="FromPrefix">The query has it only as one of the words that begin with a prefix.</param>
public sealed record LexicalTerm(string Lexeme, double Idf, bool FromPrefix);

/// <param name="Terms">Those that add to the scores.</param>
public sealed record LexicalAnswer(IReadOnlyList<LexicalHit> Hits, IReadOnlyList<LexicalTerm> Terms)
{
    public static readonly LexicalAnswer None = new([], []);
}

/// <param name="Accept">Which of the given images (best first, in batches) may be returned; searching goes on until k are accepted or
/// no match is left.</param>
public sealed record LexicalSearch(Func<IReadOnlyList<long>, CancellationToken, Task<IReadOnlySet<long>>>? Accept = null);

/// <param name="AverageLength">Mean weighted length.</param>
/// <param name="Pending">Documents whose change waits in the tail for the next merge; they are searchable.</param>
public sealed record LexicalStatistics(long Documents, double AverageLength, long Pending);

/// <summary>One term's part in a score: <c>Idf * Frequency * (k1 + 1) / (Frequency + LengthNorm)</c>.</summary>
/// <param name="Documents">How many documents hold the term.</param>
/// <param name="Frequency">Weighted frequency, from the four counts.</param>
/// <param name="LengthNorm">k1 * (1 - b + b * length / average length).</param>
/// <param name="Share">Of the score, 0 to 1.</param>
public sealed record LexicalTermExplanation(
    string Lexeme, long Documents, double Idf, int InTags, int InCaption, int InCropCaptions, int InName, double Frequency, double LengthNorm, double Score, double Share);

/// <summary>Sum of the terms' scores; <see cref="Matches"/> says whether the query's conditions (must, not, phrase, tag) hold.</summary>
public sealed record LexicalExplanation(long ImageId, double Score, bool Matches, double Length, double AverageLength, IReadOnlyList<LexicalTermExplanation> Terms);
