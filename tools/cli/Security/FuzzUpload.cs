using System.Diagnostics;
using System.Globalization;
using ImageSearch.Cli.Operating;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Npgsql;
using Spectre.Console;

namespace ImageSearch.Cli.Security;

/// <summary>
/// <c>imagesearch fuzz --upload</c>: damaged pictures through a running system, from the bucket on. Each must become searchable or be rejected with a reason; no message
/// may fail, no service may die. The pictures are taken out again.
/// </summary>
internal sealed class FuzzUpload(ObjectStore store, NpgsqlDataSource db, LocalProcesses processes)
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly string[] Services = ["ingest", "codec", "embedder", "captioner", "operator", "query"];

    private readonly string run = $"fuzz/{Guid.NewGuid().ToString("N")[..8]}/";

    /// <returns>False if anything was left over, failed or died.</returns>
    public async Task<bool> RunAsync(IReadOnlyList<string> formats, int files, int firstSeed, CancellationToken ct)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("format", "files", "searchable", "rejected", "NEITHER", "FAILED", "pictures/s");
        var before = processes.Memory(Services);
        var sound = true;
        try
        {
            foreach (var format in formats)
            {
                Console.Error.WriteLine($"{format}: {files} files from seed {firstSeed} ...");
                var prefix = $"{run}{format}/";
                var start = Stopwatch.GetTimestamp();
                await UploadAsync(format, prefix, files, firstSeed, ct);
                var state = await SettleAsync(prefix, files, ct);
                var failed = await ScalarAsync("SELECT count(*) FROM failed_messages WHERE starts_with(key, $1) OR image_id IN (SELECT image_id FROM objects WHERE starts_with(key, $1))", prefix, ct);
                sound &= state.Left == 0 && failed == 0;
                table.AddRow(format, $"{files}", $"{state.Searchable}", await ReasonsAsync(prefix, ct), $"{state.Left}", $"{failed}",
                    (files / Stopwatch.GetElapsedTime(start).TotalSeconds).ToString("0.0", CultureInfo.InvariantCulture));
            }
        }
        finally
        {
            await RemoveAsync();
        }

        AnsiConsole.Write(table);
        return sound & Report(before, processes.Memory(Services));
    }

    private async Task UploadAsync(string format, string prefix, int files, int firstSeed, CancellationToken ct)
    {
        var original = HostileFiles.Sound(format);
        await Parallel.ForAsync(firstSeed, firstSeed + files, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct }, async (seed, token) =>
            await store.PutAsync(store.Options.UploadBucket, string.Create(CultureInfo.InvariantCulture, $"{prefix}{seed:D6}.{format}"), HostileFiles.Damage(original, seed), "application/octet-stream", token));
    }

    private async Task<(long Searchable, long Left)> SettleAsync(string prefix, int files, CancellationToken ct)
    {
        var (moved, last) = (Stopwatch.GetTimestamp(), -1L);
        while (true)
        {
            var rejected = await ScalarAsync("SELECT count(*) FROM rejections WHERE starts_with(key, $1)", prefix, ct);
            var searchable = await ScalarAsync("""
                SELECT count(*) FROM objects o JOIN bitstreams USING (image_id) JOIN lexical_documents USING (image_id)
                WHERE starts_with(o.key, $1) AND EXISTS (SELECT FROM embeddings e WHERE e.image_id = o.image_id)
                """, prefix, ct);
            if (rejected + searchable == files || Stopwatch.GetElapsedTime(moved) > Patience)
            {
                return (searchable, files - rejected - searchable);
            }

            if (rejected + searchable != last)
            {
                (last, moved) = (rejected + searchable, Stopwatch.GetTimestamp());
            }

            await Task.Delay(1000, ct);
        }
    }

    private async Task<string> ReasonsAsync(string prefix, CancellationToken ct)
    {
        await using var command = db.CreateCommand("SELECT string_agg(code || ' ' || n, ', ' ORDER BY n DESC) FROM (SELECT code, count(*) n FROM rejections WHERE starts_with(key, $1) GROUP BY code) r");
        command.Parameters.Add(new() { Value = prefix });
        return await command.ExecuteScalarAsync(ct) as string ?? "none";
    }

    private async Task<long> ScalarAsync(string sql, string prefix, CancellationToken ct)
    {
        await using var command = db.CreateCommand(sql);
        command.Parameters.Add(new() { Value = prefix });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private Task RemoveAsync() =>
        Parallel.ForEachAsync(store.ListAsync(store.Options.UploadBucket, run), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (o, token) => await store.DeleteAsync(store.Options.UploadBucket, o.Key, token));

    private static bool Report(IReadOnlyDictionary<string, (int Pid, long MiB)> before, IReadOnlyDictionary<string, (int Pid, long MiB)> after)
    {
        foreach (var (name, (pid, memory)) in before)
        {
            var now = after.TryGetValue(name, out var a) ? a : default;
            Console.WriteLine(now.Pid == pid ? $"{name}: {memory} MiB before, {now.MiB} MiB after" : $"{name}: DIED");
        }

        return before.All(b => after.TryGetValue(b.Key, out var a) && a.Pid == b.Value.Pid);
    }
}
