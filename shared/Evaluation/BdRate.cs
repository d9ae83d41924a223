namespace ImageSearch.Evaluation;

/// <summary>A point of a curve of quality over rate.</summary>
/// <param name="Bpp">Bits per pixel, above 0.</param>
/// <param name="Quality">Decibels, of whatever measure.</param>
public readonly record struct RatePoint(double Bpp, double Quality);

/// <summary>
/// Bjontegaard delta rate: mean difference of log rate over the common range of quality, with monotone cubic interpolation
/// (Fritsch and Carlson 1980, as in scipy's PchipInterpolator), in percent; negative means fewer bits. Bjontegaard, VCEG-M33, 2001.
/// </summary>
public static class BdRate
{
    /// <returns>NaN where the curves have no quality in common.</returns>
    public static double Percent(IEnumerable<RatePoint> reference, IEnumerable<RatePoint> test)
    {
        var (a, b) = (new Curve(reference), new Curve(test));
        var (low, high) = (Math.Max(a.Low, b.Low), Math.Min(a.High, b.High));
        if (high <= low)
        {
            return double.NaN;
        }

        const int Samples = 400;
        var sum = 0.0;
        for (var i = 0; i < Samples; i++)
        {
            var q = low + ((high - low) * i / (Samples - 1));
            sum += b.LogRate(q) - a.LogRate(q);
        }

        return (Math.Exp(sum / Samples) - 1) * 100;
    }

    private sealed class Curve
    {
        private readonly double[] _x;
        private readonly double[] _y;
        private readonly double[] _slope;

        public Curve(IEnumerable<RatePoint> points)
        {
            var kept = new List<RatePoint>();
            foreach (var p in points.OrderBy(p => p.Bpp))
            {
                if (kept.Count == 0 || p.Quality > kept[^1].Quality + 1e-6)
                {
                    kept.Add(p);
                }
            }

            _x = [.. kept.Select(p => p.Quality)];
            _y = [.. kept.Select(p => Math.Log(p.Bpp))];
            _slope = Slopes(_x, _y);
        }

        public double Low => _x[0];

        public double High => _x[^1];

        public double LogRate(double q)
        {
            var i = Math.Clamp(Array.FindLastIndex(_x, x => x <= q), 0, _x.Length - 2);
            var (h, t) = (_x[i + 1] - _x[i], (q - _x[i]) / (_x[i + 1] - _x[i]));
            return (_y[i] * (1 + (2 * t)) * (1 - t) * (1 - t)) + (_slope[i] * h * t * (1 - t) * (1 - t))
                + (_y[i + 1] * t * t * (3 - (2 * t))) + (_slope[i + 1] * h * t * t * (t - 1));
        }

        private static double[] Slopes(double[] x, double[] y)
        {
            var n = x.Length;
            var h = Enumerable.Range(0, n - 1).Select(i => x[i + 1] - x[i]).ToArray();
            var d = Enumerable.Range(0, n - 1).Select(i => (y[i + 1] - y[i]) / h[i]).ToArray();
            var s = new double[n];
            for (var i = 1; i < n - 1; i++)
            {
                var (w1, w2) = ((2 * h[i]) + h[i - 1], h[i] + (2 * h[i - 1]));
                s[i] = d[i - 1] * d[i] <= 0 ? 0 : (w1 + w2) / ((w1 / d[i - 1]) + (w2 / d[i]));
            }

            if (n > 2)
            {
                s[0] = End(h[0], h[1], d[0], d[1]);
                s[^1] = End(h[^1], h[^2], d[^1], d[^2]);
            }
            else
            {
                s[0] = s[1] = d[0];
            }

            return s;
        }

        private static double End(double h0, double h1, double d0, double d1)
        {
            var s = ((((2 * h0) + h1) * d0) - (h0 * d1)) / (h0 + h1);
            return s * d0 <= 0 ? 0 : d0 * d1 <= 0 && Math.Abs(s) > 3 * Math.Abs(d0) ? 3 * d0 : s;
        }
    }
}
