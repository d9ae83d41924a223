using System.Numerics.Tensors;

namespace ImageSearch.Query.Search;

/// <summary>How cosines of one query with pictures that have nothing to do with it are spread.</summary>
/// <param name="Tail">Deviations above the centre that the top hundredth of them reaches on average: a query that unrelated pictures come near to proves less.</param>
public readonly record struct Background(double Centre, double Deviation, double Tail = 0)
{
    /// <summary>Fewer reference vectors than this say too little.</summary>
    public const int MinReference = 48;

    /// <summary>Where there is no reference: cosines of unrelated pairs in spaces of CLIP's kind lie about here.</summary>
    public static readonly Background Unknown = new(0.18, 0.09);

    /// <summary>
    /// Median and interquartile range (as a standard deviation: divided by 1.349) of the cosines with reference pictures. Both stand
    /// still while up to a quarter of the references do match the query.
    /// </summary>
    public static Background Of(float[] query, IReadOnlyList<float[]> reference)
    {
        if (reference.Count < MinReference)
        {
            return Unknown;
        }

        var cosines = new double[reference.Count];
        for (var i = 0; i < cosines.Length; i++)
        {
            cosines[i] = TensorPrimitives.Dot<float>(query, reference[i]);
        }

        Array.Sort(cosines);
        double Quantile(double q) => cosines[(int)(q * (cosines.Length - 1))];
        var (centre, deviation) = (Quantile(0.5), Math.Max(0.01, (Quantile(0.75) - Quantile(0.25)) / 1.349));
        var top = cosines.AsSpan()[^Math.Max(3, cosines.Length / 100)..];
        return new(centre, deviation, ((TensorPrimitives.Sum<double>(top) / top.Length) - centre) / deviation);
    }

    public double Deviations(double cosine) => (cosine - Centre) / Deviation;
}

/// <summary>From deviations above the background and the background's tail to the probability of a match: 1 / (1 + exp(-slope (z - midpoint - tail t))).</summary>
public sealed record Calibration(double Midpoint, double Slope, double Tail = 0)
{
    public double Probability(double deviations, double tail = 0) => 1 / (1 + Math.Exp(-Slope * (deviations - Midpoint - (Tail * tail))));
}

/// <summary>Calibrations of one embedding model, from its manifest's field <c>relevance</c>.</summary>
/// <param name="Text">For queries by words.</param>
/// <param name="Image">For queries by picture, whose true matches stand out more.</param>
public sealed record ModelCalibration(Calibration Text, Calibration Image)
{
    /// <summary>Chosen by hand between the figures of two labelled sets (docs/search.md); benchmarks/Query fits them for a model.</summary>
    public static readonly ModelCalibration Default = new(new(3.9, 1.3), new(3.9, 1.3));
}

/// <summary>Isotonic regression by pooling adjacent violators (Ayer et al. 1955): the falling sequence nearest in least squares.</summary>
public static class Isotonic
{
    /// <summary>Replaces <paramref name="values"/> by their falling fit, so that what is shown never contradicts the order.</summary>
    public static void Fall(Span<double> values)
    {
        var means = new double[values.Length];
        var sizes = new int[values.Length];
        var blocks = 0;
        foreach (var value in values)
        {
            (means[blocks], sizes[blocks]) = (value, 1);
            blocks++;
            while (blocks > 1 && means[blocks - 2] < means[blocks - 1])
            {
                var size = sizes[blocks - 2] + sizes[blocks - 1];
                means[blocks - 2] = ((means[blocks - 2] * sizes[blocks - 2]) + (means[blocks - 1] * sizes[blocks - 1])) / size;
                sizes[blocks - 2] = size;
                blocks--;
            }
        }

        for (int block = 0, at = 0; block < blocks; block++)
        {
            values.Slice(at, sizes[block]).Fill(means[block]);
            at += sizes[block];
        }
    }
}
