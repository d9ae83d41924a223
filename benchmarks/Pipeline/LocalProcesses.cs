using System.Globalization;
using System.Text;

namespace ImageSearch.Benchmarks.Pipeline;

/// <param name="CpuSeconds">User and system time since the process started.</param>
/// <param name="MemoryMib">Resident, shared pages counted in proportion.</param>
public sealed record ProcessUse(double CpuSeconds, double MemoryMib);

/// <summary>
/// Processor time and memory of the services that run from this checkout, of the servers that its stack started, and of the whole machine, from Linux' /proc; empty where there are none.
/// </summary>
public static class LocalProcesses
{
    // USER_HZ, which Linux fixes for /proc.
    private const double TicksPerSecond = 100;

    /// <summary>The checkout's folder; null outside of one.</summary>
    public static string? Checkout { get; } = FindCheckout();

    /// <summary>By the service's name; replicas are added up.</summary>
    public static IReadOnlyDictionary<string, ProcessUse> Services()
    {
        Dictionary<string, ProcessUse> found = [];
        var programs = Checkout is null ? null : Path.Combine(Checkout, "services") + "/";
        foreach (var process in programs is null ? [] : Processes())
        {
            var program = Encoding.UTF8.GetString(Read(process, "cmdline")).Split('\0')
                .FirstOrDefault(a => a.StartsWith(programs!, StringComparison.Ordinal) && a.EndsWith(".dll", StringComparison.Ordinal));
            if (program is not null && Use(process) is { } use)
            {
                Add(found, Path.GetFileNameWithoutExtension(program).Replace("ImageSearch.", "", StringComparison.Ordinal).ToLowerInvariant(), use);
            }
        }

        return found;
    }

    /// <summary>PostgreSQL, RabbitMQ and the object store of the local stack, each with its child processes, by the pid files of the stack.</summary>
    public static IReadOnlyDictionary<string, ProcessUse> Servers()
    {
        Dictionary<string, ProcessUse> found = [];
        var state = Environment.GetEnvironmentVariable("IMAGESEARCH_STATE") ?? (Checkout is null ? null : Path.Combine(Checkout, ".imagesearch"));
        var run = state is null ? null : Path.Combine(state, "run");
        if (!Directory.Exists(run))
        {
            return found;
        }

        var roots = Directory.GetFiles(run, "*.pid").Select(f => (Name: Path.GetFileNameWithoutExtension(f), Pid: File.ReadAllText(f).Split(' ')[0]))
            .Where(r => r.Name is "postgres" or "rabbitmq" or "ceph_mon" or "ceph_osd" or "rgw").ToArray();
        var parents = Processes().Select(p => (Pid: Path.GetFileName(p), Parent: Fields(p) is { } f ? f[1] : "")).ToLookup(p => p.Parent, p => p.Pid);
        foreach (var (name, pid) in roots)
        {
            for (var open = new Stack<string>([pid]); open.TryPop(out var next);)
            {
                if (Use(Path.Combine("/proc", next), reaped: true) is { } use)
                {
                    Add(found, name switch { "postgres" => "PostgreSQL", "rabbitmq" => "RabbitMQ", _ => "object store" }, use);
                }

                foreach (var child in parents[next])
                {
                    open.Push(child);
                }
            }
        }

        return found;
    }

    /// <summary>Seconds that all cores together have worked, and been idle or waiting for a disk, since the machine started.</summary>
    public static (double Busy, double Idle) Machine()
    {
        if (!File.Exists("/proc/stat"))
        {
            return default;
        }

        var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        return ((ticks.Sum() - ticks[3] - ticks[4]) / TicksPerSecond, (ticks[3] + ticks[4]) / TicksPerSecond);
    }

    private static IEnumerable<string> Processes() => Directory.Exists("/proc/self") ? Directory.EnumerateDirectories("/proc").Where(p => Path.GetFileName(p).All(char.IsAsciiDigit)) : [];

    /// <param name="reaped">With the time of child processes that have ended.</param>
    private static ProcessUse? Use(string process, bool reaped = false)
    {
        if (Fields(process) is not { } fields)
        {
            return null;
        }

        var ticks = Enumerable.Range(11, reaped ? 4 : 2).Sum(i => long.Parse(fields[i], CultureInfo.InvariantCulture));
        var kib = Encoding.ASCII.GetString(Read(process, "smaps_rollup")).Split('\n').Where(l => l.StartsWith("Pss:", StringComparison.Ordinal))
            .Sum(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
        return new(ticks / TicksPerSecond, kib / 1024.0);
    }

    // The fields of stat after the command's name, which may hold blanks: state, parent, ..., user and system time at 11 and 12, those of reaped children behind.
    private static string[]? Fields(string process)
    {
        var stat = Encoding.UTF8.GetString(Read(process, "stat"));
        return stat.Length == 0 ? null : stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }

    /// <summary>Empty for a process that ended meanwhile or belongs to somebody else.</summary>
    private static byte[] Read(string process, string file)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(process, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static void Add(Dictionary<string, ProcessUse> found, string name, ProcessUse use)
    {
        var before = found.GetValueOrDefault(name) ?? new(0, 0);
        found[name] = new(before.CpuSeconds + use.CpuSeconds, before.MemoryMib + use.MemoryMib);
    }

    private static string? FindCheckout()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ImageSearch.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName;
    }
}
