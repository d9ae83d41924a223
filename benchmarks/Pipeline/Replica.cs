using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>A second process of a worker, with the settings of this one's environment, until disposed.</summary>
public sealed class Replica : IAsyncDisposable
{
    private readonly Process process;

    private Replica(Process process, Uri address) => (this.process, Address) = (process, address);

    public Uri Address { get; }

    /// <exception cref="InvalidOperationException">It is not built here, or does not get ready.</exception>
    public static async Task<Replica> StartAsync(string service, CancellationToken ct)
    {
        var folder = Path.Combine(LocalProcesses.Checkout ?? throw new InvalidOperationException("Replicas are started from a checkout only."), "services", service);
        var program = Path.Combine(folder, "bin", "Release", "net10.0", $"ImageSearch.{char.ToUpperInvariant(service[0])}{service[1..]}.dll");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = new Uri($"http://{listener.LocalEndpoint}");
        listener.Stop();
        var start = new ProcessStartInfo("dotnet", [program]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["Urls"] = address.ToString();
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var replica = new Replica(process, address);
        using var http = new HttpClient { BaseAddress = address };
        for (var tries = 0; tries < 120 && !process.HasExited; tries++)
        {
            await Task.Delay(500, ct);
            try
            {
                using var ready = await http.GetAsync("/health/ready", ct);
                if (ready.IsSuccessStatusCode)
                {
                    return replica;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
        }

        await replica.DisposeAsync();
        throw new InvalidOperationException($"A second {service} did not get ready.");
    }

    // What it has in hand goes back to its queue.
    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync();
        process.Dispose();
    }
}
