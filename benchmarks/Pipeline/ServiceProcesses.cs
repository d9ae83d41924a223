using System.Globalization;
using System.Text;

namespace ImageSearch.Benchmarks.Pipeline;

/// <param name="CpuSeconds">User and system time since the process started.</param>
/// <param name="MemoryMib">Resident, shared pages counted in proportion.</param>
public sealed record ServiceUse(double CpuSeconds, double MemoryMib);

/// <summary>Processor time and memory of the services that run from this checkout on this machine, from Linux' /proc; empty where there are none.</summary>
public static class ServiceProcesses
{
    // USER_HZ, which Linux fixes for /proc.
    private const double TicksPerSecond = 100;

    public static IReadOnlyDictionary<string, ServiceUse> Look()
    {
        Dictionary<string, ServiceUse> found = [];
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ImageSearch.sln")))
        {
            folder = folder.Parent;
        }

        if (folder is null || !Directory.Exists("/proc/self"))
        {
            return found;
        }

        foreach (var process in Directory.EnumerateDirectories("/proc").Where(p => Path.GetFileName(p).All(char.IsAsciiDigit)))
        {
            try
            {
                var program = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(process, "cmdline"))).Split('\0')
                    .FirstOrDefault(a => a.StartsWith(Path.Combine(folder.FullName, "services") + "/", StringComparison.Ordinal) && a.EndsWith(".dll", StringComparison.Ordinal));
                if (program is null)
                {
                    continue;
                }

                // Fields 14 and 15 of stat, counted after the command's name, which may hold blanks.
                var stat = File.ReadAllText(Path.Combine(process, "stat"));
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
                var kib = File.ReadLines(Path.Combine(process, "smaps_rollup")).Where(l => l.StartsWith("Pss:", StringComparison.Ordinal)).Sum(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
                var name = Path.GetFileNameWithoutExtension(program).Replace("ImageSearch.", "", StringComparison.Ordinal).ToLowerInvariant();
                var before = found.GetValueOrDefault(name) ?? new(0, 0);
                found[name] = new(before.CpuSeconds + (ticks / TicksPerSecond), before.MemoryMib + (kib / 1024.0));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or belongs to somebody else.
            }
        }

        return found;
    }
}
