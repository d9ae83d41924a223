using System.Diagnostics.Metrics;
using System.Globalization;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace ImageSearch.Pipeline.Tests;

public sealed class MetricsTextTests
{
    [Fact]
    public void Counters_gauges_and_histograms_become_prometheus_lines()
    {
        using var meter = new Meter("MetricsTextTests");
        var text = new MetricsText();
        using var provider = Sdk.CreateMeterProviderBuilder().AddMeter(meter.Name).AddReader(text.Reader).Build();
        var work = meter.CreateCounter<double>("work.done", "s", "Work");
        var waiting = meter.CreateUpDownCounter<long>("waiting", "{picture}");
        var length = meter.CreateHistogram("length", "By", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [1, 10] });
        work.Add(1.5, new KeyValuePair<string, object?>("part", "a \"b\"\n"));
        work.Add(1, new KeyValuePair<string, object?>("part", "a \"b\"\n"));
        waiting.Add(3);
        waiting.Add(-1);
        length.Record(5);
        length.Record(50);

        // Twice: reading does not use anything up.
        text.Read();
        var lines = text.Read().Split('\n');
        Assert.Contains("# TYPE work_done_seconds_total counter", lines);
        Assert.Contains("""work_done_seconds_total{part="a \"b\"\n"} 2.5""", lines);
        Assert.Contains("# TYPE waiting gauge", lines);
        Assert.Contains("waiting 2", lines);
        Assert.Contains("""length_bytes_bucket{le="1"} 0""", lines);
        Assert.Contains("""length_bytes_bucket{le="10"} 1""", lines);
        Assert.Contains("""length_bytes_bucket{le="+Inf"} 2""", lines);
        Assert.Contains("length_bytes_sum 55", lines);
    }

    [Fact]
    public void Time_in_libvips_is_counted()
    {
        var text = new MetricsText();
        using var provider = Sdk.CreateMeterProviderBuilder().AddMeter("ImageSearch").AddReader(text.Reader).Build();
        var picture = new Picture(1200, 800, 3, [.. Enumerable.Range(0, 1200 * 800 * 3).Select(i => (byte)(i * 31))]);
        ImageFiles.Decode(ImageFiles.Encode(picture, ImageFormat.Png));
        var seconds = text.Read().Split('\n').Single(l => l.StartsWith("imagesearch_compute_processor_seconds_total{part=\"libvips\"}", StringComparison.Ordinal)).Split(' ')[1];
        Assert.True(double.Parse(seconds, CultureInfo.InvariantCulture) > 0);
    }
}
