using System.Diagnostics;
using System.Globalization;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Evaluation;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Cli.Evaluation;

/// <summary>A data set's pictures in the running system, under a prefix of their own.</summary>
public sealed class StoredSet(ObjectStore store, NpgsqlDataSource db, EvaluationSet set, IReadOnlyList<EvaluationPicture> gallery, int parallel)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Dictionary<string, ImageId> ids = [];

    public EvaluationSet Set => set;

    public string Prefix => $"eval/{set.Name}/";

    /// <summary>By the picture's name in the set.</summary>
    public IReadOnlyDictionary<string, ImageId> Ids => ids;

    /// <summary>From the first upload until everything was searchable; null where nothing was new.</summary>
    public double? PicturesPerSecond { get; private set; }

    public List<string> Remarks { get; } = [];

    /// <summary>Uploads and waits until everything is searchable.</summary>
    /// <exception cref="CliException">Nothing has moved for minutes.</exception>
    public async Task UploadAsync(CancellationToken ct)
    {
        // Names are numbers: words of a file name are searched too, and class folders or telling names would give the answer away.
        var pictures = set.Pictures.Concat(gallery).ToArray();
        var progress = new ProgressCatalog(db);
        var stored = new ImageId[pictures.Length];
        await Parallel.ForAsync(0, pictures.Length, ct, async (i, token) => stored[i] = ImageId.Of(await File.ReadAllBytesAsync(pictures[i].Path, token)));
        for (var i = 0; i < set.Pictures.Count; i++)
        {
            ids[set.Pictures[i].Name] = stored[i];
        }

        var distinct = stored.ToHashSet();
        if (distinct.Count < pictures.Length)
        {
            Remarks.Add($"{pictures.Length - distinct.Count} pictures have the same bytes as another one and are one with it.");
        }

        if (set.Descriptions.Count > 0)
        {
            await ForgottenAsync(progress, distinct, ct);
        }

        var before = (await progress.CountAsync(distinct, ct)).Searchable;
        var start = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, pictures.Length, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = ct }, async (i, token) =>
            await store.PutAsync(store.Options.UploadBucket, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{i:D6}{Path.GetExtension(pictures[i].Path)}"),
                await File.ReadAllBytesAsync(pictures[i].Path, token), "application/octet-stream", token, set.Descriptions.GetValueOrDefault(pictures[i].Name)));
        var missing = await WaitAsync(progress, distinct, ct);
        if (missing > 0)
        {
            throw new CliException($"{missing} pictures of {set.Name} are not searchable and nothing has moved for {Patience.TotalMinutes:0} minutes. `./imagesearch pipeline` shows where they are.");
        }

        if (before == 0)
        {
            PicturesPerSecond = distinct.Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        await LookForOtherKeysAsync(distinct, ct);
    }

    /// <summary>Takes the pictures out of the store again; the system forgets them as the store's events arrive.</summary>
    public async Task RemoveAsync(CancellationToken ct)
    {
        List<string> keys = [];
        await foreach (var o in store.ListAsync(store.Options.UploadBucket, Prefix, ct: ct))
        {
            keys.Add(o.Key);
        }

        await Parallel.ForEachAsync(keys, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = ct }, async (key, token) =>
            await store.DeleteAsync(store.Options.UploadBucket, key, token));
    }

    /// <summary>A description is read when its picture is first captioned: what an earlier set left behind must be gone.</summary>
    private async Task ForgottenAsync(ProgressCatalog progress, HashSet<ImageId> wanted, CancellationToken ct)
    {
        var (moved, last) = (Stopwatch.GetTimestamp(), long.MaxValue);
        while ((await progress.CountAsync(wanted, ct)).Images is > 0 and var left)
        {
            Console.Error.Write($"\r{set.Name}: {left} pictures still to be forgotten   ");
            if (left < last)
            {
                (last, moved) = (left, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(moved) > Patience)
            {
                Console.Error.WriteLine();
                Remarks.Add($"{left} pictures were known before, from other keys, and kept the words that they had.");
                return;
            }

            await Task.Delay(500, ct);
        }
    }

    private async Task<long> WaitAsync(ProgressCatalog progress, HashSet<ImageId> wanted, CancellationToken ct)
    {
        var (moved, last) = (Stopwatch.GetTimestamp(), -1L);
        while (true)
        {
            var p = await progress.CountAsync(wanted, ct);
            var registered = await CountKeysAsync("count(DISTINCT image_id) FROM objects", ct);
            Console.Error.Write($"\r{set.Name}: {p.Searchable} of {wanted.Count} searchable ({p.Encoded} compressed, {p.Embedded} embedded, {p.Captioned} described)   ");

            // The filter of the queries goes by key, so that the keys must be known too.
            var refused = await CountKeysAsync("count(*) FROM rejections", ct);
            if (p.Searchable >= wanted.Count - refused && registered >= wanted.Count - refused)
            {
                Console.Error.WriteLine();
                if (refused > 0)
                {
                    Remarks.Add($"{refused} pictures were refused and count as never found.");
                }

                return 0;
            }

            if (p.Images + p.Encoded + p.Embedded + p.Captioned + registered is var sum && sum != last)
            {
                (last, moved) = (sum, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(moved) > Patience)
            {
                Console.Error.WriteLine();
                return wanted.Count - Math.Min(p.Searchable, registered);
            }

            await Task.Delay(500, ct);
        }
    }

    private async Task<long> CountKeysAsync(string what, CancellationToken ct)
    {
        // Byte order: "eval/NAME/" to "eval/NAME0" ('0' follows '/').
        await using var command = db.CreateCommand($"SELECT {what} WHERE bucket = $1 AND key >= $2 AND key < $3");
        command.Parameters.Add(new() { Value = store.Options.UploadBucket });
        command.Parameters.Add(new() { Value = Prefix });
        command.Parameters.Add(new() { Value = Prefix[..^1] + "0" });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task LookForOtherKeysAsync(IReadOnlyCollection<ImageId> distinct, CancellationToken ct)
    {
        var catalog = new ImageCatalog(db);
        var others = 0;
        foreach (var id in distinct)
        {
            others += (await catalog.KeysOfAsync(id, ct)).Any(k => !k.Key.StartsWith(Prefix, StringComparison.Ordinal)) ? 1 : 0;
        }

        if (others > 0)
        {
            Remarks.Add($"{others} pictures also lie under other keys, whose names or descriptions the word search may know.");
        }
    }
}
