using System.Globalization;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace ImageSearch.Hosting;

/// <summary>
/// What the meters have counted, as text of the Prometheus format 0.0.4, made when somebody asks. The SDK adds up; nothing is kept here.
/// </summary>
public sealed class MetricsText
{
    private readonly Exporter exporter = new();
    private readonly Lock gate = new();

    public MetricsText() => Reader = new BaseExportingMetricReader(exporter) { TemporalityPreference = MetricReaderTemporalityPreference.Cumulative };

    /// <summary>To be added to the meter provider.</summary>
    public MetricReader Reader { get; }

    /// <summary>Everything since the process started.</summary>
    public string Read()
    {
        lock (gate)
        {
            exporter.Text.Clear();
            // The reader's own Collect does nothing for exporters that are only asked.
            exporter.Collect!(Timeout.Infinite);
            return exporter.Text.ToString();
        }
    }

    [ExportModes(ExportModes.Pull)]
    private sealed class Exporter : BaseExporter<Metric>, IPullMetricExporter
    {
        public StringBuilder Text { get; } = new();

        public Func<int, bool>? Collect { get; set; }

        public override ExportResult Export(in Batch<Metric> batch)
        {
            foreach (var metric in batch)
            {
                Write(metric);
            }

            return ExportResult.Success;
        }

        private void Write(Metric metric)
        {
            var (kind, name) = metric.MetricType switch
            {
                MetricType.DoubleSum or MetricType.LongSum => ("counter", Name(metric) + "_total"),
                MetricType.Histogram => ("histogram", Name(metric)),
                _ => ("gauge", Name(metric)),
            };
            Text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {metric.Description.Replace('\n', ' ')}\n# TYPE {name} {kind}\n");
            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                var labels = Labels(point.Tags);
                switch (metric.MetricType)
                {
                    case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                        Line(name, labels, point.GetSumDouble());
                        break;
                    case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                        Line(name, labels, point.GetSumLong());
                        break;
                    case MetricType.DoubleGauge:
                        Line(name, labels, point.GetGaugeLastValueDouble());
                        break;
                    case MetricType.LongGauge:
                        Line(name, labels, point.GetGaugeLastValueLong());
                        break;
                    case MetricType.Histogram:
                        Histogram(name, labels, point);
                        break;
                    default:
                        break;
                }
            }
        }

        private void Histogram(string name, string labels, in MetricPoint point)
        {
            var below = 0L;
            foreach (var bucket in point.GetHistogramBuckets())
            {
                below += bucket.BucketCount;
                var bound = double.IsPositiveInfinity(bucket.ExplicitBound) ? "+Inf" : bucket.ExplicitBound.ToString("R", CultureInfo.InvariantCulture);
                Line(name + "_bucket", $"{labels}{(labels.Length > 0 ? "," : "")}le=\"{bound}\"", below);
            }

            Line(name + "_sum", labels, point.GetHistogramSum());
            Line(name + "_count", labels, point.GetHistogramCount());
        }

        private void Line(string name, string labels, double value) =>
            Text.Append(CultureInfo.InvariantCulture, $"{name}{(labels.Length > 0 ? $"{{{labels}}}" : "")} {value:R}\n");

        // Seconds and bytes go into the name, as Prometheus wants it; units in braces are only notes.
        private static string Name(Metric metric) => Letters(metric.Name + metric.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" });

        private static string Labels(ReadOnlyTagCollection tags)
        {
            var text = new StringBuilder();
            foreach (var (key, value) in tags)
            {
                var escaped = Convert.ToString(value, CultureInfo.InvariantCulture)!.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
                text.Append(text.Length > 0 ? "," : "").Append(Letters(key)).Append("=\"").Append(escaped).Append('"');
            }

            return text.ToString();
        }

        private static string Letters(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
    }
}
