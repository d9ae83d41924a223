using System.Diagnostics.Metrics;
using ImageSearch.Hosting;

namespace ImageSearch.Captioner;

/// <summary>Measurements of this service, on the pipeline's meter.</summary>
public static class CaptionMetrics
{
    /// <summary>Tagged with <c>captioner</c>.</summary>
    public static readonly Counter<long> Pictures = ServiceDefaults.Meter.CreateCounter<long>("imagesearch.captions", "{picture}", "Pictures whose texts were stored");

    /// <summary>Tagged with <c>captioner</c>.</summary>
    public static readonly Histogram<double> Duration = ServiceDefaults.Meter.CreateHistogram<double>("imagesearch.captions.duration", "s", "Time to caption one picture, all regions");

    /// <summary>Tagged with <c>direction</c>: prompt or completion.</summary>
    public static readonly Counter<long> Tokens = ServiceDefaults.Meter.CreateCounter<long>("imagesearch.captions.tokens", "{token}", "Tokens of the M-LLM");

    /// <summary>Tagged with <c>kind</c>: a <see cref="CaptionFailure"/>.</summary>
    public static readonly Counter<long> Failures = ServiceDefaults.Meter.CreateCounter<long>("imagesearch.captions.failures", "{failure}", "Requests and regions that failed");

    /// <summary>Pictures that wait in hand for a server.</summary>
    public static readonly UpDownCounter<long> Waiting = ServiceDefaults.Meter.CreateUpDownCounter<long>("imagesearch.captions.waiting", "{picture}", "Pictures that wait for the M-LLM server");
}
