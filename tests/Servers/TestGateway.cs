using System.Diagnostics;
using System.Globalization;

namespace ImageSearch.Tests.Servers;

/// <summary>Ceph's own administration of the test store, run beside the gateway in its mount namespace; needs root, as the local servers do.</summary>
public sealed class TestGateway
{
    private readonly int port;

    internal TestGateway(string endpoint) => port = new Uri(endpoint).Port;

    /// <summary>Lets a bucket hold at most this much; null for no limit. The store then answers QuotaExceeded to what does not fit.</summary>
    public async Task SetQuotaAsync(string bucket, long? bytes)
    {
        if (bytes is { } limit)
        {
            await AdminAsync("quota", "set", "--quota-scope=bucket", $"--bucket={bucket}", $"--max-size={limit}");
        }

        await AdminAsync("quota", bytes is null ? "disable" : "enable", "--quota-scope=bucket", $"--bucket={bucket}");
    }

    private async Task AdminAsync(params string[] command)
    {
        var start = new ProcessStartInfo("nsenter", ["--target", $"{Process()}", "--mount", "--root", "radosgw-admin", "--conf", "/data/ceph/ceph.conf", "-n", "client.rgw.a", .. command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"radosgw-admin {string.Join(' ', command)}: {await output}{await error}");
        }
    }

    /// <summary>The process that listens on the gateway's port.</summary>
    private int Process()
    {
        var local = port.ToString("X4", CultureInfo.InvariantCulture);
        var socket = File.ReadLines("/proc/net/tcp").Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .FirstOrDefault(f => f[3] == "0A" && f[1].EndsWith(":" + local, StringComparison.Ordinal))?[9];
        foreach (var folder in Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)))
        {
            try
            {
                if (Directory.GetFiles(Path.Combine(folder, "fd")).Any(f => File.ResolveLinkTarget(f, false)?.Name == $"socket:[{socket}]"))
                {
                    return int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended, or is somebody else's.
            }
        }

        throw new InvalidOperationException($"No process of this machine listens on port {port}.");
    }
}
