using System.CommandLine;
using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Spectre.Console;

namespace ImageSearch.Cli.Pipeline;

/// <summary><c>imagesearch add PATH...</c>: puts files or folders into the upload bucket and waits until they are searchable.</summary>
public static class AddCommand
{
    private static readonly HashSet<string> Extensions = new(StringComparer.OrdinalIgnoreCase) { ".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff" };

    public static Command Create()
    {
        var paths = new Argument<string[]>("path") { Description = "Files or folders. A text file beside a picture (NAME.txt) becomes its description.", Arity = ArgumentArity.OneOrMore };
        var prefix = new Option<string>("--prefix") { Description = "Key prefix in the bucket.", DefaultValueFactory = _ => "" };
        var noWait = new Option<bool>("--no-wait") { Description = "Return as soon as everything is uploaded." };
        var parallel = new Option<int>("--parallel") { Description = "Uploads at once.", DefaultValueFactory = _ => 8 };
        var timeout = new Option<int>("--timeout") { Description = "Seconds without any progress before giving up.", DefaultValueFactory = _ => 120 };
        var command = new Command("add", "Upload pictures through the object store and wait until they are searchable.") { paths, prefix, noWait, parallel, timeout };
        command.SetAction((r, ct) => RunAsync(r.GetValue(paths)!, r.GetValue(prefix)!, !r.GetValue(noWait), Math.Clamp(r.GetValue(parallel), 1, 64), TimeSpan.FromSeconds(r.GetValue(timeout)), ct));
        return command;
    }

    private static async Task<int> RunAsync(string[] paths, string prefix, bool wait, int parallel, TimeSpan timeout, CancellationToken ct)
    {
        var files = paths.SelectMany(Find).DistinctBy(f => f.Key).ToList();
        if (files.Count == 0)
        {
            throw new CliException($"No pictures ({string.Join(' ', Extensions.Order())}) were found in {string.Join(", ", paths)}.");
        }

        using var store = new ObjectStore(CliSettings.ObjectStore);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
        var ids = new ImageId[files.Count];
        var left = 0;
        await ProgressDisplay.RunAsync(async display =>
        {
            var uploaded = 0;
            await Parallel.ForAsync(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = ct }, async (i, token) =>
            {
                var content = await File.ReadAllBytesAsync(files[i].Path, token);
                ids[i] = ImageId.Of(content);
                var text = Path.ChangeExtension(files[i].Path, ".txt");
                var description = File.Exists(text) ? await File.ReadAllTextAsync(text, token) : null;
                await store.PutAsync(store.Options.UploadBucket, prefix + files[i].Key, content, "application/octet-stream", token, description);
                display.Show("uploading", Interlocked.Increment(ref uploaded), files.Count);
            });
            if (wait)
            {
                left = await WaitAsync(display, new ProgressCatalog(db), new ImageCatalog(db), store, ids, [.. files.Select(f => prefix + f.Key)], timeout, ct);
            }
        });
        await ReportRejectedAsync(new ImageCatalog(db), store, [.. files.Select(f => prefix + f.Key)], wait, ct);
        if (left > 0)
        {
            throw new CliException($"{left} pictures are not searchable yet and nothing has moved for {timeout.TotalSeconds:0} s. `./imagesearch pipeline` shows where they are, `./imagesearch failures` what went wrong.");
        }

        return 0;
    }

    private static async Task<int> WaitAsync(
        ProgressDisplay display, ProgressCatalog progress, ImageCatalog catalog, ObjectStore store, ImageId[] ids, string[] keys, TimeSpan timeout, CancellationToken ct)
    {
        var distinct = ids.ToHashSet();
        var (moved, last, rejected) = (Stopwatch.GetTimestamp(), -1L, 0);
        while (true)
        {
            var p = await progress.CountAsync(distinct, ct);
            foreach (var (stage, done) in ((string, long)[])[("registered", p.Images), ("compressed", p.Encoded), ("embedded", p.Embedded), ("described", p.Captioned), ("searchable", p.Searchable)])
            {
                display.Show(stage, done, distinct.Count - rejected);
            }

            if (p.Searchable >= distinct.Count - rejected)
            {
                return 0;
            }

            var sum = p.Images + p.Encoded + p.Embedded + p.Captioned;
            if (sum != last)
            {
                (last, moved) = (sum, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(moved) > timeout)
            {
                return (int)(distinct.Count - rejected - p.Searchable);
            }
            else if (Stopwatch.GetElapsedTime(moved) > TimeSpan.FromSeconds(1))
            {
                // Looked for only when nothing moves: rejected keys have no image to wait for.
                var refused = new HashSet<ImageId>();
                for (var i = 0; i < keys.Length; i++)
                {
                    if (await catalog.FindRejectionAsync(store.Options.UploadBucket, keys[i], ct) is not null)
                    {
                        refused.Add(ids[i]);
                    }
                }

                rejected = refused.Count;
            }

            await Task.Delay(200, ct);
        }
    }

    private static async Task ReportRejectedAsync(ImageCatalog catalog, ObjectStore store, string[] keys, bool wait, CancellationToken ct)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("rejected", "reason");
        foreach (var key in wait ? keys : [])
        {
            if (await catalog.FindRejectionAsync(store.Options.UploadBucket, key, ct) is { } rejection)
            {
                table.AddRow(Markup.Escape(key), Markup.Escape(rejection.Reason));
            }
        }

        if (table.Rows.Count > 0)
        {
            AnsiConsole.Write(table);
        }
    }

    private static IEnumerable<(string Path, string Key)> Find(string path)
    {
        if (File.Exists(path))
        {
            return [(path, Path.GetFileName(path))];
        }

        if (!Directory.Exists(path))
        {
            throw new CliException($"There is no file or folder {path}.");
        }

        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var name = Path.GetFileName(root);
        return Directory.EnumerateFiles(root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden })
            .Where(f => Extensions.Contains(Path.GetExtension(f)))
            .Order(StringComparer.Ordinal)
            .Select(f => (f, $"{name}/{Path.GetRelativePath(root, f).Replace('\\', '/')}"));
    }
}
