namespace ImageSearch.Catalog.Lexical;

/// <summary>The formula (Robertson and Zaragoza, "The probabilistic relevance framework", 2009, with weighted fields and the always
/// positive idf) for the statistics of one snapshot. Frequencies and lengths come in units of the index.</summary>
/// <param name="documents">N.</param>
/// <param name="length">Sum of all weighted lengths, in units.</param>
/// <param name="unit">One unit as a weight.</param>
internal readonly struct Bm25(long documents, long length, double unit, double k1, double b)
{
    private readonly double slope = length > 0 ? k1 * b * documents / length : 0;

    public long Documents => documents;

    public double AverageLength => documents > 0 ? length * unit / documents : 0;

    public double Idf(long df) => Math.Log(1 + (documents - df + 0.5) / (df + 0.5));

    /// <summary>k1 * (1 - b + b * length / average length).</summary>
    public double LengthNorm(int lengthInUnits) => k1 * (1 - b) + slope * lengthInUnits;

    public double Score(double idf, int frequencyInUnits, int lengthInUnits)
    {
        var frequency = frequencyInUnits * unit;
        return idf * frequency * (k1 + 1) / (frequency + LengthNorm(lengthInUnits));
    }
}
