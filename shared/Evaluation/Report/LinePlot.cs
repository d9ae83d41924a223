using System.Globalization;
using System.Security;
using System.Text;

namespace ImageSearch.Evaluation.Report;

public sealed record PlotLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>A plot of lines as SVG, for Markdown pages: readable on light and dark backgrounds, with no scripts and no fonts of its own.</summary>
/// <param name="LogX">Logarithmic to base 10; all x are above 0 then.</param>
public sealed record LinePlot(string Title, string XAxis, string YAxis, IReadOnlyList<PlotLine> Lines, bool LogX = false, double? MinY = null, double? MaxY = null)
{
    private const int Width = 640, Height = 400, Left = 64, Right = 170, Top = 40, Bottom = 52;

    // Okabe and Ito's colours, which colour-blind readers can tell apart.
    private static readonly string[] Colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

    /// <exception cref="InvalidOperationException">There is no point to draw.</exception>
    public string ToSvg()
    {
        var points = Lines.SelectMany(l => l.Points).ToArray();
        if (points.Length == 0)
        {
            throw new InvalidOperationException($"The plot '{Title}' has no points.");
        }

        var x = Scale.Of(points.Min(p => p.X), points.Max(p => p.X), LogX);
        var y = Scale.Of(MinY ?? points.Min(p => p.Y), MaxY ?? points.Max(p => p.Y), log: false);
        double X(double value) => Left + (x.At(value) * (Width - Left - Right));
        double Y(double value) => Height - Bottom - (y.At(value) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        void Add(FormattableString line) => svg.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Add($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"#ffffff\"/>");
        Add($"<text x=\"{Left}\" y=\"24\" font-size=\"15\">{Escape(Title)}</text>");
        foreach (var tick in y.Ticks())
        {
            Add($"<line x1=\"{Left}\" y1=\"{Y(tick):F1}\" x2=\"{Width - Right}\" y2=\"{Y(tick):F1}\" stroke=\"#dddddd\"/>");
            Add($"<text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\">{tick:0.####}</text>");
        }

        foreach (var tick in x.Ticks())
        {
            Add($"<line x1=\"{X(tick):F1}\" y1=\"{Top}\" x2=\"{X(tick):F1}\" y2=\"{Height - Bottom}\" stroke=\"#eeeeee\"/>");
            Add($"<text x=\"{X(tick):F1}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{tick:0.####}</text>");
        }

        Add($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 12}\" text-anchor=\"middle\">{Escape(XAxis)}</text>");
        Add($"<text transform=\"translate(16 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">{Escape(YAxis)}</text>");
        foreach (var (i, line) in Lines.Index())
        {
            var colour = Colours[i % Colours.Length];
            var path = string.Join(' ', line.Points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{X(p.X):F1},{Y(p.Y):F1}")));
            Add($"<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
            foreach (var p in line.Points.Count <= 20 ? line.Points : [])
            {
                Add($"<circle cx=\"{X(p.X):F1}\" cy=\"{Y(p.Y):F1}\" r=\"3\" fill=\"{colour}\"/>");
            }

            var row = Top + 10 + (i * 18);
            Add($"<line x1=\"{Width - Right + 12}\" y1=\"{row}\" x2=\"{Width - Right + 32}\" y2=\"{row}\" stroke=\"{colour}\" stroke-width=\"2\"/>");
            Add($"<text x=\"{Width - Right + 38}\" y=\"{row + 4}\">{Escape(line.Name)}</text>");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static string Escape(string text) => SecurityElement.Escape(text);

    /// <summary>From values to shares of an axis, with round ends.</summary>
    private readonly record struct Scale(double Low, double High, double Step, bool Log)
    {
        public static Scale Of(double low, double high, bool log)
        {
            if (log)
            {
                return new(Math.Floor(Math.Log10(low)), Math.Max(Math.Floor(Math.Log10(low)) + 1, Math.Ceiling(Math.Log10(high))), 1, true);
            }

            var span = high > low ? high - low : Math.Max(Math.Abs(high), 1);
            var power = Math.Pow(10, Math.Floor(Math.Log10(span / 5)));
            var step = new[] { 1, 2, 5, 10 }.Select(m => m * power).First(s => span / s <= 6);
            var bottom = Math.Floor((low / step) + 1e-9) * step;
            return new(bottom, Math.Max(bottom + step, Math.Ceiling((high / step) - 1e-9) * step), step, false);
        }

        public double At(double value) => Math.Clamp(((Log ? Math.Log10(value) : value) - Low) / (High - Low), 0, 1);

        public IEnumerable<double> Ticks()
        {
            for (var i = 0; Low + (i * Step) <= High + (Step / 1000); i++)
            {
                var tick = Low + (i * Step);
                yield return Log ? Math.Pow(10, tick) : Math.Round(tick, 10);
            }
        }
    }
}
