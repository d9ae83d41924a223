using System.Text.Json;

namespace ImageSearch.Hosting.Backup;

/// <summary>The objects of a bucket as numbered files with an index, since keys need not be valid file names.</summary>
public static class BucketCopy
{
    private const string IndexFile = "objects.ndjson";

    private sealed record Entry(string Key, string File, long Bytes, string? ContentType, string? Description);

    /// <returns>Objects copied.</returns>
    public static async Task<int> ExportAsync(ObjectStore store, string bucket, string folder, Action<int> progress, CancellationToken ct)
    {
        Directory.CreateDirectory(folder);
        await using var index = new StreamWriter(Path.Combine(folder, IndexFile));
        var n = 0;
        await foreach (var listed in store.ListAsync(bucket, ct: ct))
        {
            // Gone since it was listed: not part of the backup.
            if (await store.GetAsync(bucket, listed.Key, long.MaxValue, ct) is not var (stored, content) || stored is null)
            {
                continue;
            }

            var file = Path.Combine($"{n / 1000:D5}", $"{n:D8}");
            Directory.CreateDirectory(Path.Combine(folder, Path.GetDirectoryName(file)!));
            await File.WriteAllBytesAsync(Path.Combine(folder, file), content, ct);
            await index.WriteLineAsync(JsonSerializer.Serialize(new Entry(listed.Key, file, content.LongLength, stored.ContentType, stored.Description)));
            progress(++n);
        }

        return n;
    }

    /// <exception cref="InvalidDataException">A file of the backup is missing or has another length than the index says.</exception>
    public static async Task<int> ImportAsync(ObjectStore store, string bucket, string folder, Action<int> progress, CancellationToken ct)
    {
        await store.EnsureBucketAsync(bucket, ct);
        var n = 0;
        await foreach (var line in File.ReadLinesAsync(Path.Combine(folder, IndexFile), ct))
        {
            var entry = JsonSerializer.Deserialize<Entry>(line)!;
            var path = Path.Combine(folder, entry.File);
            if (!File.Exists(path) || new FileInfo(path).Length != entry.Bytes)
            {
                throw new InvalidDataException($"The backup is damaged: {path} is missing or not {entry.Bytes} bytes long.");
            }

            await store.PutAsync(bucket, entry.Key, await File.ReadAllBytesAsync(path, ct), entry.ContentType ?? "application/octet-stream", ct, entry.Description);
            progress(++n);
        }

        return n;
    }
}
