namespace ImageSearch.Evaluation.Report;

/// <summary>The nearest-rank percentile.</summary>
public static class Percentile
{
    /// <param name="values">In any order.</param>
    /// <param name="share">0.5 for the median, 0.99 for p99.</param>
    /// <returns>The smallest value that at least so many do not exceed; NaN of none.</returns>
    public static double Of(IEnumerable<double> values, double share) =>
        values.Order().ToArray() is { Length: > 0 } sorted ? sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)] : double.NaN;
}
