using System.Diagnostics;

namespace ImageSearch.Tests.Servers;

/// <summary>A disk that is full soon: a file system in memory of a few megabytes, which needs the right to mount.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    /// <exception cref="InvalidOperationException">It cannot be mounted: the tests run without the right to (they need root, as the local servers do).</exception>
    public static SmallDisk Mount(int megabytes, string? folder = null)
    {
        folder ??= Directory.CreateTempSubdirectory("small-disk").FullName;
        Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m,mode=0777", "tmpfs", folder);
        return new(folder);
    }

    public ValueTask DisposeAsync()
    {
        // Lazily: a process that a failed test left behind must not keep it.
        Run("umount", "-l", Folder);
        Directory.Delete(Folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error}");
        }
    }
}
