namespace ImageSearch.Inference.Tuning;

/// <summary>One measure of the same queries before and after.</summary>
/// <param name="Low">Lower end of the 90 % interval of the difference.</param>
/// <param name="High">Upper end.</param>
public sealed record Gain(string Measure, double Before, double After, double Low, double High)
{
    public double Difference => After - Before;
}

/// <summary>
/// Paired bootstrap (Efron and Tibshirani 1993): pictures are drawn with replacement, each with all of its queries before and after, because two texts of one picture rise and fall
/// together.
/// </summary>
public static class RankComparison
{
    private const int Draws = 4000;

    /// <returns>R@1, R@5, R@10 and MRR.</returns>
    public static IReadOnlyList<Gain> Compare(IReadOnlyList<long> pictures, IReadOnlyList<int> before, IReadOnlyList<int> after, int seed)
    {
        (string Name, Func<int, double> Value)[] measures =
        [
            ("R@1", r => r <= 1 ? 1 : 0), ("R@5", r => r <= 5 ? 1 : 0), ("R@10", r => r <= 10 ? 1 : 0), ("MRR", r => 1.0 / r),
        ];
        var clusters = Enumerable.Range(0, pictures.Count).GroupBy(i => pictures[i]).Select(g => g.ToArray()).ToArray();
        return [.. measures.Select(m =>
        {
            var random = new Random(seed);
            var sums = clusters.Select(c => c.Sum(i => m.Value(after[i]) - m.Value(before[i]))).ToArray();
            var differences = new double[Draws];
            for (var d = 0; d < Draws; d++)
            {
                var (sum, count) = (0.0, 0);
                for (var c = 0; c < clusters.Length; c++)
                {
                    var k = random.Next(clusters.Length);
                    (sum, count) = (sum + sums[k], count + clusters[k].Length);
                }

                differences[d] = sum / count;
            }

            Array.Sort(differences);
            return new Gain(m.Name, before.Average(m.Value), after.Average(m.Value), differences[Draws / 20], differences[Draws - 1 - (Draws / 20)]);
        })];
    }
}
