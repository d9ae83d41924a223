using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ImageSearch.Benchmarks.Query;

/// <summary>The query service as a process of its own, so that its processor time and memory are not mixed with those of the clients.</summary>
internal sealed class ServiceProcess : IAsyncDisposable
{
    private readonly Process process;

    private ServiceProcess(Process process, Uri address)
    {
        this.process = process;
        Http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = address };
    }

    public HttpClient Http { get; }

    /// <param name="settings">Configuration names with their values, for instance <c>Postgres:ConnectionString</c>.</param>
    public static async Task<ServiceProcess> StartAsync(IEnumerable<(string Name, string Value)> settings)
    {
        var address = new Uri($"http://127.0.0.1:{FreePort()}");
        var start = new ProcessStartInfo("dotnet") { ArgumentList = { Path.Combine(AppContext.BaseDirectory, "ImageSearch.Query.dll") }, WorkingDirectory = AppContext.BaseDirectory };
        foreach (var (name, value) in settings.Concat([("Urls", address.ToString()), ("Logging:LogLevel:Default", "Warning"), ("Logging:LogLevel:Microsoft.Hosting.Lifetime", "Warning"), ("Logging:LogLevel:Microsoft.AspNetCore.StaticFiles", "Error")]))
        {
            start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        // As ./imagesearch up starts it.
        (start.Environment["DOTNET_gcServer"], start.Environment["DOTNET_GCConserveMemory"], start.Environment["DOTNET_TieredPGO"]) = ("0", "7", "1");
        var service = new ServiceProcess(Process.Start(start)!, address);
        for (var i = 0; ; i++)
        {
            try
            {
                using var response = await service.Http.GetAsync("/api/status");
                if (response.IsSuccessStatusCode)
                {
                    return service;
                }
            }
            catch (HttpRequestException) when (i < 300 && !service.process.HasExited)
            {
            }

            if (i >= 300 || service.process.HasExited)
            {
                await service.DisposeAsync();
                throw new InvalidOperationException("The query service does not answer; its messages stand above.");
            }

            await Task.Delay(100);
        }
    }

    /// <summary>Resident now and at most so far, in MB.</summary>
    public (double Now, double Peak) Memory()
    {
        double Field(string name) => double.Parse(
            File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1000;
        return (Field("VmRSS:"), Field("VmHWM:"));
    }

    public TimeSpan ProcessorTime()
    {
        process.Refresh();
        return process.TotalProcessorTime;
    }

    public int Handles() => Directory.GetFileSystemEntries($"/proc/{process.Id}/fd").Length;

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!process.HasExited)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }

        process.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
