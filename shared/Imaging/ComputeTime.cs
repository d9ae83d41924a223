using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ImageSearch.Imaging;

/// <summary>
/// Where the processor's time goes that a picture is worth: meter <c>ImageSearch</c>, counter <c>imagesearch.compute.processor</c> and histogram
/// <c>imagesearch.compute.duration</c>, both in seconds and tagged with the <c>part</c>. The processor's time is that of the calling thread: exact with one thread a session
/// (Models:Threads = 1), too small by the helpers' share with more.
/// </summary>
public static partial class ComputeTime
{
    /// <summary>Runs of ONNX Runtime sessions.</summary>
    public const string OnnxRuntime = "onnxruntime";

    /// <summary>Decoding, scaling and encoding of picture files.</summary>
    public const string Libvips = "libvips";

    /// <summary>The codec's integer networks and range coder.</summary>
    public const string Entropy = "entropy";

    private static readonly Meter Meter = new("ImageSearch");

    private static readonly Counter<double> Processor =
        Meter.CreateCounter<double>("imagesearch.compute.processor", "s", "Processor time of the calling threads in ONNX Runtime, libvips and the codec's integer arithmetic");

    private static readonly Histogram<double> Duration =
        Meter.CreateHistogram("imagesearch.compute.duration", "s", "Time of one call into ONNX Runtime, libvips or the codec's integer arithmetic",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] });

    private static readonly Lock Gate = new();
    private static Dictionary<string, long> workers = [];
    private static long ended;

    static ComputeTime() => Meter.CreateObservableCounter("imagesearch.compute.libvips_workers", WorkerSeconds, "s",
        "Processor time of libvips' own threads, which write picture files while the caller waits; to be added to part libvips");

    /// <summary>Counts until disposed, on the same thread.</summary>
    /// <param name="part">One of the constants here.</param>
    public static Span Measure(string part) => new(part);

    public readonly ref struct Span
    {
        private readonly string part;
        private readonly long started;
        private readonly double processor;

        internal Span(string part) => (this.part, started, processor) = (part, Stopwatch.GetTimestamp(), ThreadSeconds());

        public void Dispose()
        {
            var tag = new KeyValuePair<string, object?>("part", part);
            Processor.Add(Math.Max(0, ThreadSeconds() - processor), tag);
            Duration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, tag);
        }
    }

    /// <summary>Processor time of this thread; where the system does not tell, the clock's.</summary>
    private static double ThreadSeconds() => OperatingSystem.IsLinux() && ClockGetTime(ThreadClock, out var t) == 0
        ? t.Seconds + (t.Nanoseconds / 1e9)
        : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    /// <summary>Of the threads that were alive when somebody looked; libvips keeps them for a while.</summary>
    private static double WorkerSeconds()
    {
        Dictionary<string, long> alive = [];
        foreach (var thread in Directory.Exists("/proc/self/task") ? Directory.EnumerateDirectories("/proc/self/task") : [])
        {
            try
            {
                var stat = File.ReadAllText(Path.Combine(thread, "stat"));
                if (stat.Contains("(libvips worker)", StringComparison.Ordinal))
                {
                    var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                    alive[$"{thread} {fields[19]}"] = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
                }
            }
            catch (IOException)
            {
                // The thread has ended.
            }
        }

        lock (Gate)
        {
            ended += workers.Where(w => !alive.ContainsKey(w.Key)).Sum(w => w.Value);
            workers = alive;

            // USER_HZ, which Linux fixes for /proc.
            return (ended + alive.Values.Sum()) / 100.0;
        }
    }

    // CLOCK_THREAD_CPUTIME_ID of Linux.
    private const int ThreadClock = 3;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
