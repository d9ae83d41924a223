using System.Diagnostics;
using System.Text;
using ImageSearch.Tests.Servers;

namespace ImageSearch.Pipeline.Tests;

/// <summary>Ingest as a process of its own, with the settings of a test; killed at the end.</summary>
public sealed class IngestProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly Task<string> output;

    public IngestProcess(IReadOnlyDictionary<string, string> settings)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ImageSearch.Ingest.dll")])
        {
            WorkingDirectory = AppContext.BaseDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        process = Process.Start(start)!;
        (output, Error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        Http = new HttpClient { BaseAddress = new Uri(settings["Urls"].Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)), Timeout = TimeSpan.FromMinutes(5) };
    }

    public HttpClient Http { get; }

    /// <summary>What it wrote to standard error, once it has ended.</summary>
    public Task<string> Error { get; }

    public bool HasExited => process.HasExited;

    /// <summary>Largest private memory so far, in MiB: without pages of files, which the kernel drops when it needs room.</summary>
    public int AnonymousMiB => Status("RssAnon");

    /// <summary>Settings that work, on servers of the test's own.</summary>
    public static async Task<Dictionary<string, string>> SettingsAsync(TestDatabase database, TestVirtualHost broker, TestBuckets buckets) => new()
    {
        ["Postgres__ConnectionString"] = database.ConnectionString,
        ["RabbitMq__Uri"] = broker.Uri.ToString(),
        ["ObjectStore__Endpoint"] = buckets.Endpoint,
        ["ObjectStore__AccessKey"] = buckets.AccessKey,
        ["ObjectStore__SecretKey"] = buckets.SecretKey,
        ["ObjectStore__UploadBucket"] = await buckets.CreateAsync("images"),
        ["ObjectStore__DerivedBucket"] = await buckets.CreateAsync("derived"),
        ["Urls"] = $"http://127.0.0.1:{TestServers.FreePort()}",
    };

    /// <summary>Waits for the end that a wrong start has; the exit code.</summary>
    public async Task<int> EndAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            Assert.Fail($"The service did not end:\n{await output}\n{await Error}");
        }

        return process.ExitCode;
    }

    public async Task ReadyAsync()
    {
        var last = "no answer";
        for (var tries = 0; tries < 600 && !HasExited; tries++)
        {
            try
            {
                using var ready = await Http.GetAsync("/health/ready");
                if (ready.IsSuccessStatusCode)
                {
                    return;
                }

                last = await ready.Content.ReadAsStringAsync();
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(200);
        }

        Assert.Fail($"Ingest is not ready: {(HasExited ? await Error : last)}");
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        await Task.WhenAll(output, Error);
        process.Dispose();
        Http.Dispose();
    }

    private int Status(string field) =>
        int.Parse(File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith(field + ":", StringComparison.Ordinal)).Split((char[])[':', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]) / 1024;
}
