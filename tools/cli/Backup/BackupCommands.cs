using System.CommandLine;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Backup;

namespace ImageSearch.Cli.Backup;

/// <summary><c>imagesearch backup FOLDER</c> and <c>imagesearch restore FOLDER</c>: database and both buckets.</summary>
public static class BackupCommands
{
    private const string Done = "complete";

    public static Command CreateBackup()
    {
        var folder = new Argument<string>("folder") { Description = "A new folder." };
        var command = new Command("backup", "Copy database and object store into a folder; the system may go on running.") { folder };
        command.SetAction((r, ct) => BackupAsync(r.GetValue(folder)!, ct));
        return command;
    }

    public static Command CreateRestore()
    {
        var folder = new Argument<string>("folder") { Description = "A folder that backup wrote." };
        var command = new Command("restore", "Fill an empty system from a backup; the services must not run meanwhile.") { folder };
        command.SetAction((r, ct) => RestoreAsync(r.GetValue(folder)!, ct));
        return command;
    }

    private static async Task<int> BackupAsync(string folder, CancellationToken ct)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            throw new CliException($"{folder} is not empty. Name a new folder.");
        }

        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "backup");
        using var store = new ObjectStore(CliSettings.ObjectStore);

        // The database first: what comes into the store later is found by ingest's comparison after a restore.
        var rows = await DatabaseCopy.ExportAsync(db, Path.Combine(folder, "database"), ct);
        Console.WriteLine($"database: {rows:N0} rows");
        foreach (var (name, bucket) in Buckets(store))
        {
            var n = await BucketCopy.ExportAsync(store, bucket, Path.Combine(folder, name), _ => { }, ct);
            Console.WriteLine($"bucket {bucket}: {n:N0} objects");
        }

        await File.WriteAllTextAsync(Path.Combine(folder, Done), DateTimeOffset.UtcNow.ToString("u"), ct);
        return 0;
    }

    private static async Task<int> RestoreAsync(string folder, CancellationToken ct)
    {
        if (!File.Exists(Path.Combine(folder, Done)))
        {
            throw new CliException($"{folder} is not a complete backup: the file '{Done}', which is written last, is missing.");
        }

        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "restore");
        using var store = new ObjectStore(CliSettings.ObjectStore);
        foreach (var (name, bucket) in Buckets(store))
        {
            var n = await BucketCopy.ImportAsync(store, bucket, Path.Combine(folder, name), _ => { }, ct);
            Console.WriteLine($"bucket {bucket}: {n:N0} objects");
        }

        await DatabaseCopy.ImportAsync(db, Path.Combine(folder, "database"), ct);
        Console.WriteLine("database: restored, indexes built");
        return 0;
    }

    private static (string Name, string Bucket)[] Buckets(ObjectStore store) => [("uploads", store.Options.UploadBucket), ("derived", store.Options.DerivedBucket)];
}
