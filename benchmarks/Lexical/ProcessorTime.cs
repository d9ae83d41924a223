using System.Diagnostics;
using Npgsql;

namespace ImageSearch.Benchmarks.Lexical;

/// <summary>Processor time of this process and of a PostgreSQL server on the same Linux machine, all its processes together. On a busy machine
/// it says more than the clock does.</summary>
internal sealed class ProcessorTime
{
    private readonly string? postmaster;

    private ProcessorTime(string? postmaster) => this.postmaster = postmaster;

    public static async Task<ProcessorTime> OfAsync(NpgsqlDataSource db)
    {
        await using var command = db.CreateCommand("SELECT pg_backend_pid()");
        var backend = Stat($"/proc/{await command.ExecuteScalarAsync()}/stat");
        return new(backend is ["postgres", ..] ? backend[2] : null);
    }

    /// <summary>Seconds so far; NaN for a server that is not on this machine.</summary>
    public (double Client, double Server) Now() => (Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds, postmaster is null ? double.NaN : Server());

    private double Server()
    {
        var ticks = 0L;
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            var fields = Stat(folder + "/stat");
            if (fields is not null && (fields[2] == postmaster || folder == "/proc/" + postmaster))
            {
                // utime, stime, and for the postmaster also those of the children that have ended
                ticks += long.Parse(fields[12]) + long.Parse(fields[13]) + (fields[2] == postmaster ? 0 : long.Parse(fields[14]) + long.Parse(fields[15]));
            }
        }

        return ticks / 100.0;
    }

    /// <summary>Name, state, parent and so on; null when there is no such process.</summary>
    private static string[]? Stat(string file)
    {
        try
        {
            var text = File.ReadAllText(file);
            return [text[(text.IndexOf('(') + 1)..text.LastIndexOf(')')], .. text[(text.LastIndexOf(')') + 2)..].Split(' ')];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
