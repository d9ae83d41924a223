using System.Collections.Concurrent;
using System.Diagnostics;
using ImageSearch.Contracts;

namespace ImageSearch.Benchmarks.Pipeline;

/// <param name="Title">As tables name it.</param>
/// <param name="Put">When each picture's PUT began, by the database's clock.</param>
/// <param name="Uploaded">Seconds from the first PUT to the end of the last.</param>
/// <param name="Wall">Seconds from the first PUT until the client saw everything searchable.</param>
/// <param name="Before">Of services and servers.</param>
/// <param name="Compute">Counted by the services themselves during the burst.</param>
/// <param name="Client">Processor seconds of the measuring process.</param>
/// <param name="Machine">Busy and idle seconds of all cores.</param>
public sealed record BurstResult(
    string Title, int Pictures, long Bytes, IReadOnlyDictionary<ImageId, DateTime> Put, IReadOnlyList<PictureTimes> Times, double Uploaded, double Wall,
    IReadOnlyDictionary<string, ProcessUse> Before, IReadOnlyDictionary<string, ProcessUse> After, IReadOnlyDictionary<string, double> HighestMib,
    IReadOnlyDictionary<string, ComputeParts> Compute, double Client, (double Busy, double Idle) Machine)
{
    public double[] Waits { get; } = [.. Times.Select(t => (t.Searchable - Put[t.Id]).TotalSeconds)];

    public double Cpu(string process) => After[process].CpuSeconds - (Before.GetValueOrDefault(process)?.CpuSeconds ?? 0);

    public double Share(double processorSeconds) => 100 * processorSeconds / Wall / Environment.ProcessorCount;

    public ComputeParts AllCompute => Compute.Values.Aggregate(ComputeParts.None, (a, b) => a + b);

    /// <summary>Processor time in ONNX Runtime and libvips over wall time times cores, percent.</summary>
    public double Efficiency => Share(AllCompute.OnnxRuntime + AllCompute.Libvips);

    /// <summary>What programs that are no part of the system took of the machine, and the kernel outside of processes, in seconds.</summary>
    public double Others => Math.Max(0, Machine.Busy - After.Keys.Sum(Cpu) - Client);

    /// <summary>The same over what others left of the machine, idle time included, percent; NaN where the processes cannot be seen.</summary>
    /// <param name="integerCoder">With the codec's integer networks and range coder.</param>
    public double EfficiencyOfTheRest(bool integerCoder) => After.Count == 0 ? double.NaN
        : 100 * (AllCompute.OnnxRuntime + AllCompute.Libvips + (integerCoder ? AllCompute.Entropy : 0)) / (Machine.Busy + Machine.Idle - Others);

    public double PicturesPerSecond => Pictures / Wall;

    public int PeakBacklog
    {
        get
        {
            var (now, peak) = (0, 0);
            foreach (var (_, change) in Put.Values.Select(t => (t, 1)).Concat(Times.Select(t => (t.Searchable, -1))).OrderBy(e => e.Item1))
            {
                peak = Math.Max(peak, now += change);
            }

            return peak;
        }
    }
}

/// <summary>Memory of services and servers, looked at again and again, and the highest of each.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly Task loop;

    public MemoryWatch() => loop = LoopAsync();

    public ConcurrentDictionary<string, double> HighestMib { get; } = [];

    public static IReadOnlyDictionary<string, ProcessUse> Look() => LocalProcesses.Services().Concat(LocalProcesses.Servers()).ToDictionary();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await loop;
        stop.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromSeconds(4), stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var (name, use) in Look())
            {
                HighestMib.AddOrUpdate(name, use.MemoryMib, (_, known) => Math.Max(known, use.MemoryMib));
            }
        }
    }
}

internal static class Clock
{
    public static double ProcessorSeconds() => Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds;
}
