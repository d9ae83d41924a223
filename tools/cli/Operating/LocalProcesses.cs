using System.Diagnostics;

namespace ImageSearch.Cli.Operating;

/// <summary>The processes of a local stack, by the pid files in its state folder.</summary>
internal sealed class LocalProcesses(string checkout)
{
    private readonly string run = Path.Combine(Environment.GetEnvironmentVariable("IMAGESEARCH_STATE") ?? Path.Combine(checkout, ".imagesearch"), "run");

    /// <exception cref="CliException">Nothing runs from this folder.</exception>
    public void Check()
    {
        if (!Directory.Exists(run) || !File.Exists(Path.Combine(checkout, "imagesearch")))
        {
            throw new CliException($"No local stack runs from {Path.GetFullPath(checkout)}. Chaos kills processes of its own machine only: start one with `./imagesearch up` and call this in the same folder.");
        }
    }

    /// <summary>Process id and resident memory of each daemon that runs.</summary>
    public IReadOnlyDictionary<string, (int Pid, long MiB)> Memory(IEnumerable<string> names) => names
        .Select(n => (Name: n, Process: Find(n)))
        .Where(p => p.Process is not null)
        .ToDictionary(p => p.Name, p =>
        {
            using var process = p.Process!;
            return (process.Id, process.WorkingSet64 >> 20);
        });

    /// <summary>Sends SIGKILL to a daemon and all processes of its session.</summary>
    /// <returns>False if it does not run.</returns>
    public async Task<bool> KillAsync(string name, CancellationToken ct)
    {
        // Each daemon leads a session and a process group of its own.
        return PidOf(name) is { } pid && await RunAsync("kill", ["-KILL", "--", $"-{pid}"], ct) == 0;
    }

    /// <summary>Starts whatever does not run, as `./imagesearch up` does, but without building anew what was edited meanwhile.</summary>
    public async Task StartMissingAsync(CancellationToken ct)
    {
        const string script = """
            set -euo pipefail
            for part in lib process ports root postgres rabbitmq ceph servers build services; do . "deploy/local/$part.sh"; done
            lock_state
            read_ports
            start_servers
            start_services
            """;
        for (var tries = 1; await RunAsync("bash", ["-c", script], ct) != 0; tries++)
        {
            if (tries == 3)
            {
                throw new CliException($"The stack could not be started again: see {Path.GetFullPath(Path.Combine(run, "..", "logs"))}.");
            }

            await Task.Delay(2000, ct);
        }
    }

    private int? PidOf(string name)
    {
        var file = Path.Combine(run, name + ".pid");
        return File.Exists(file) && int.TryParse(File.ReadAllText(file).Split(' ')[0], out var pid) && pid > 1 ? pid : null;
    }

    private Process? Find(string name)
    {
        try
        {
            return PidOf(name) is { } pid ? Process.GetProcessById(pid) : null;
        }
        catch (ArgumentException)
        {
            // The process has ended; its pid file is still there.
            return null;
        }
    }

    private async Task<int> RunAsync(string program, string[] arguments, CancellationToken ct)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = checkout, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;

        // Read to the end of the program, not of the pipe: daemons that it starts may keep that open.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var ended = new CancellationTokenSource();
        process.EnableRaisingEvents = true;
        process.Exited += (_, _) => ended.Cancel();
        while (!process.HasExited)
        {
            ct.ThrowIfCancellationRequested();
            await Task.Delay(100, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return process.ExitCode;
    }
}
