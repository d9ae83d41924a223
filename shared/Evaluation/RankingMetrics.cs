namespace ImageSearch.Evaluation;

/// <summary>
/// Measures of one ranked answer, each 0 to 1 with 1 best; a set's figure is the mean over its queries. Definitions: Manning, Raghavan and
/// Schütze, "Introduction to Information Retrieval", chapter 8; nDCG: Järvelin and Kekäläinen 2002.
/// </summary>
public static class RankingMetrics
{
    /// <summary>Share of the relevant that stands among the first <paramref name="k"/>.</summary>
    public static double RecallAt(this Judgement j, int k) => (double)Found(j, k) / j.Relevant;

    /// <summary>Share of the first <paramref name="k"/> places that holds something relevant; places left empty count as wrong.</summary>
    public static double PrecisionAt(this Judgement j, int k) => (double)Found(j, k) / k;

    /// <summary>
    /// 1 if anything relevant stands among the first <paramref name="k"/>. Cross-modal retrieval calls its mean over the queries recall@k,
    /// also where, as from a picture to its five captions, several are relevant.
    /// </summary>
    public static double HitAt(this Judgement j, int k) => Found(j, k) > 0 ? 1 : 0;

    /// <summary>
    /// Mean of the precisions at the ranks of the relevant ones up to <paramref name="k"/>, over min(k, relevant): AP@k, whose mean over
    /// queries is mAP@k. With k the length of the collection it is the average precision of the whole ranking.
    /// </summary>
    public static double AveragePrecisionAt(this Judgement j, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        var (found, sum) = (0, 0.0);
        for (var rank = 1; rank <= Math.Min(k, j.Hits.Count); rank++)
        {
            if (j.Hits[rank - 1])
            {
                sum += (double)++found / rank;
            }
        }

        return sum / Math.Min(k, j.Relevant);
    }

    /// <summary>Discounted cumulative gain (1 for a relevant one, over log2(rank + 1)) among the first <paramref name="k"/>, as a share of the best possible.</summary>
    public static double NdcgAt(this Judgement j, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        static double Discount(int rank) => 1 / Math.Log2(rank + 1);
        var gain = Enumerable.Range(1, Math.Min(k, j.Hits.Count)).Where(rank => j.Hits[rank - 1]).Sum(Discount);
        return gain / Enumerable.Range(1, Math.Min(k, j.Relevant)).Sum(Discount);
    }

    /// <summary>1 over the rank of the first relevant one; 0 if there is none.</summary>
    public static double ReciprocalRank(this Judgement j)
    {
        for (var rank = 1; rank <= j.Hits.Count; rank++)
        {
            if (j.Hits[rank - 1])
            {
                return 1.0 / rank;
            }
        }

        return 0;
    }

    private static int Found(Judgement j, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        return j.Hits.Take(k).Count(h => h);
    }
}
