namespace ImageSearch.Evaluation;

/// <summary>Precision over recall along rankings.</summary>
public static class PrecisionRecall
{
    /// <summary>Recall 0, 0.01 ... 1, at which interpolated curves are read.</summary>
    public static IReadOnlyList<double> Levels { get; } = [.. Enumerable.Range(0, 101).Select(i => i / 100.0)];

    /// <summary>Recall and precision after each relevant one, in the order of the ranking.</summary>
    public static IReadOnlyList<(double Recall, double Precision)> Points(Judgement j)
    {
        List<(double, double)> points = [];
        for (var i = 0; i < j.Hits.Count; i++)
        {
            if (j.Hits[i])
            {
                points.Add(((points.Count + 1.0) / j.Relevant, (points.Count + 1.0) / (i + 1)));
            }
        }

        return points;
    }

    /// <summary>
    /// Area under precision over recall after each rank, joined by straight lines from precision 1 at recall 0, as scikit-learn's
    /// <c>auc(*precision_recall_curve)</c> has it. Recall that the ranking never reaches adds nothing.
    /// </summary>
    public static double Area(Judgement j)
    {
        var (area, found, recall, precision) = (0.0, 0, 0.0, 1.0);
        for (var i = 0; i < j.Hits.Count && found < j.Relevant; i++)
        {
            found += j.Hits[i] ? 1 : 0;
            var (nextRecall, nextPrecision) = ((double)found / j.Relevant, (double)found / (i + 1));
            area += (nextRecall - recall) * (precision + nextPrecision) / 2;
            (recall, precision) = (nextRecall, nextPrecision);
        }

        return area;
    }

    /// <summary>
    /// Mean over queries of the interpolated precision (the best at this recall or a higher one) at each of <see cref="Levels"/>.
    /// </summary>
    public static double[] MeanCurve(IReadOnlyCollection<Judgement> judgements)
    {
        var curve = new double[Levels.Count];
        foreach (var judgement in judgements)
        {
            var points = Points(judgement);
            var (best, next) = (0.0, points.Count - 1);
            for (var level = Levels.Count - 1; level >= 0; level--)
            {
                // Both sides are quotients of whole numbers; the margin keeps 3/10 at the level 0.3.
                for (; next >= 0 && points[next].Recall >= Levels[level] - 1e-9; next--)
                {
                    best = Math.Max(best, points[next].Precision);
                }

                curve[level] += best / judgements.Count;
            }
        }

        return curve;
    }
}
