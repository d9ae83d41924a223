using System.Diagnostics;
using Npgsql;

namespace ImageSearch.Tests.Servers;

/// <summary>
/// A tablespace of the test server on a small file system of its own, so that PostgreSQL's disk can really be filled. The server lives in a mount
/// namespace of its own (deploy/local/enter.sh); mounting there needs root, as the local servers do.
/// </summary>
public sealed class PostgresDisk : IAsyncDisposable
{
    private readonly string server;

    private PostgresDisk(string server, string tablespace) => (this.server, Tablespace) = (server, tablespace);

    public string Tablespace { get; }

    internal static async Task<PostgresDisk> MountAsync(string server, int megabytes)
    {
        var disk = new PostgresDisk(server, TestServers.FreshName());
        var folder = "/tmp/" + disk.Tablespace;
        await disk.InServerAsync($"mkdir {folder} && mount -t tmpfs -o size={megabytes}m,mode=0700 tmpfs {folder} && chown postgres:postgres {folder}");
        await disk.ExecuteAsync($"CREATE TABLESPACE {disk.Tablespace} LOCATION '{folder}'");
        return disk;
    }

    /// <summary>Takes all room that is left, beside the server and not through it: its connections end with the first statement that finds no room, and new ones may be refused.</summary>
    public Task FillAsync() => InServerAsync($"cat /dev/zero > /tmp/{Tablespace}/ballast 2>/dev/null || true");

    public Task FreeAsync() => InServerAsync($"rm -f /tmp/{Tablespace}/ballast");

    /// <summary>To be called when its databases have been dropped.</summary>
    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"DROP TABLESPACE {Tablespace}");
        await InServerAsync($"umount /tmp/{Tablespace}");
    }

    private async Task InServerAsync(string script)
    {
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        var start = new ProcessStartInfo("nsenter", ["--target", $"{connection.ProcessID}", "--mount", "--root", "sh", "-c", script]) { RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"Beside the test server, '{script}' failed (it needs root and a server on this machine): {error}");
        }
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
