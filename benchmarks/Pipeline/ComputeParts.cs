using System.Globalization;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Processor seconds of a service since its start, by its own count (shared/Imaging/ComputeTime).</summary>
public sealed record ComputeParts(double OnnxRuntime, double Libvips, double Entropy)
{
    private const string Counter = "imagesearch_compute_processor_seconds_total{part=\"";

    private const string Workers = "imagesearch_compute_libvips_workers_seconds_total ";

    public static readonly ComputeParts None = new(0, 0, 0);

    public static ComputeParts operator +(ComputeParts a, ComputeParts b) => new(a.OnnxRuntime + b.OnnxRuntime, a.Libvips + b.Libvips, a.Entropy + b.Entropy);

    public static ComputeParts operator -(ComputeParts a, ComputeParts b) => new(a.OnnxRuntime - b.OnnxRuntime, a.Libvips - b.Libvips, a.Entropy - b.Entropy);

    /// <summary>From the service's /metrics.</summary>
    public static async Task<ComputeParts> ReadAsync(HttpClient http, Uri service, CancellationToken ct)
    {
        var lines = (await http.GetStringAsync(new Uri(service, "/metrics"), ct)).Split('\n');
        var workers = lines.Where(l => l.StartsWith(Workers, StringComparison.Ordinal)).Sum(l => double.Parse(l[Workers.Length..], CultureInfo.InvariantCulture));
        var parts = lines
            .Where(l => l.StartsWith(Counter, StringComparison.Ordinal)).Select(l => l[Counter.Length..].Split("\"} "))
            .ToDictionary(l => l[0], l => double.Parse(l[1], CultureInfo.InvariantCulture));
        return new(parts.GetValueOrDefault("onnxruntime"), parts.GetValueOrDefault("libvips") + workers, parts.GetValueOrDefault("entropy"));
    }
}
