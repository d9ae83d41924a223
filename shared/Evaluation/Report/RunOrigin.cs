using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace ImageSearch.Evaluation.Report;

/// <summary>Where figures come from: what a reader needs to repeat them.</summary>
/// <param name="Commit">Git commit of the checkout, with <c>-dirty</c> if files were changed; what the build recorded where there is no checkout.</param>
/// <param name="Load">Processes that wanted a core, on average over the minute before the start; null where the system does not tell.</param>
public sealed record RunOrigin(string Command, DateTimeOffset Date, string Machine, int Cores, double? Load, double MemoryGib, string Runtime, string Commit)
{
    public static RunOrigin Now(string command, TimeProvider time) => new(
        command, time.GetUtcNow(), Processor(), Environment.ProcessorCount, LoadAverage(),
        Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30), 1), ".NET " + Environment.Version, GitCommit());

    public string ToMarkdown() => string.Create(CultureInfo.InvariantCulture, $"""
        `{Command}`, {Date:yyyy-MM-dd HH:mm} UTC, commit {Commit}, {Machine}, {Cores} cores, {MemoryGib:F1} GiB, {Runtime}{(Load is { } load ? $", load {load:F1} before the start" : "")}.
        """);

    private static string Processor() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown processor"
        : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown processor";

    private static double? LoadAverage() =>
        File.Exists("/proc/loadavg") && double.TryParse(File.ReadAllText("/proc/loadavg").Split(' ')[0], NumberStyles.Float, CultureInfo.InvariantCulture, out var load) ? load : null;

    private static string GitCommit()
    {
        try
        {
            var start = new ProcessStartInfo("git", ["-C", AppContext.BaseDirectory, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using var git = Process.Start(start)!;
            var commit = git.StandardOutput.ReadToEnd().Trim();
            git.WaitForExit();
            if (git.ExitCode == 0 && commit.Length > 0)
            {
                return commit;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No git here; the build may still know.
        }

        return Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
    }
}
