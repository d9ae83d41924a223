using System.Globalization;
using System.Xml.Linq;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Evaluation.Tests;

public sealed class ReportTests
{
    [Fact]
    public void Plot_draws_every_line_within_its_frame()
    {
        var svg = XElement.Parse(new LinePlot("A < B & C", "recall", "precision", [new("dense", [(0, 0.9), (0.5, 0.4), (1, 0.1)]), new("lexical", [(0, 0.5), (1, 0.2)])]).ToSvg());
        XNamespace ns = "http://www.w3.org/2000/svg";
        var lines = svg.Elements(ns + "polyline").Select(l => l.Attribute("points")!.Value.Split(' ').Select(p => p.Split(',').Select(v => double.Parse(v, CultureInfo.InvariantCulture)).ToArray()).ToArray()).ToArray();
        Assert.Equal([3, 2], lines.Select(l => l.Length));
        Assert.All(lines.SelectMany(l => l), p => Assert.True(p[0] is >= 64 and <= 470 && p[1] is >= 40 and <= 348));
        Assert.True(lines[0][0][1] < lines[0][1][1]);
        Assert.Contains("A < B & C", svg.Elements(ns + "text").Select(t => t.Value));
    }

    [Fact]
    public void Plot_takes_one_point_and_logarithms_but_not_nothing()
    {
        Assert.Contains("circle", new LinePlot("t", "x", "y", [new("a", [(1000, 5)])], LogX: true).ToSvg(), StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => new LinePlot("t", "x", "y", []).ToSvg());
    }

    [Fact]
    public void Table_sets_figures_and_escapes_bars()
    {
        var table = new MarkdownTable("leg", "queries", "R@1").Add("a|b", 1000, 1 / 3.0).Add("none", 0, double.NaN).ToString();
        Assert.Equal("| leg | queries | R@1 |\n|---|---:|---:|\n| a\\|b | 1,000 | 0.33 |\n| none | 0 | - |\n", table);
        Assert.Throws<ArgumentException>(() => new MarkdownTable("one").Add("a", "b"));
    }

    [Fact]
    public void Origin_names_machine_and_command()
    {
        var origin = RunOrigin.Now("imagesearch eval", TimeProvider.System);
        Assert.Equal(Environment.ProcessorCount, origin.Cores);
        Assert.Contains("`imagesearch eval`", origin.ToMarkdown(), StringComparison.Ordinal);
        Assert.NotEqual("", origin.Commit);
    }
}
