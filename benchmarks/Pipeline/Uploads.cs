using System.Diagnostics;
using System.Globalization;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>Pictures of one run under a prefix of its own, taken out again when disposed.</summary>
public sealed class Uploads(ObjectStore store, NpgsqlDataSource db) : IAsyncDisposable
{
    private const int AtOnce = 8;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly string prefix = $"bench/{Guid.NewGuid().ToString("N")[..8]}/";
    private readonly ProgressCatalog progress = new(db);
    private int number;

    public async Task PutAsync(byte[] content, CancellationToken ct) =>
        await store.PutAsync(store.Options.UploadBucket, string.Create(CultureInfo.InvariantCulture, $"{prefix}{Interlocked.Increment(ref number):D6}.jpg"), content, "image/jpeg", ct);

    public Task PutAllAsync(byte[][] files, Action<byte[]> starting, CancellationToken ct) =>
        Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct }, async (file, token) =>
        {
            starting(file);
            await PutAsync(file, token);
        });

    public Task<Progress> CountAsync(IReadOnlyCollection<ImageId> ids, CancellationToken ct) => progress.CountAsync(ids, ct);

    /// <exception cref="InvalidOperationException">Nothing has moved for minutes.</exception>
    public async Task WaitAsync(IReadOnlyCollection<ImageId> ids, int period, CancellationToken ct)
    {
        var (moved, last) = (Stopwatch.GetTimestamp(), -1L);
        while (true)
        {
            var p = await progress.CountAsync(ids, ct);
            if (p.Searchable == ids.Count)
            {
                return;
            }

            if (p.Images + p.Encoded + p.Embedded + p.Captioned is var sum && sum != last)
            {
                (last, moved) = (sum, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(moved) > Patience)
            {
                throw new InvalidOperationException($"{ids.Count - p.Searchable} of {ids.Count} pictures are not searchable and nothing has moved for {Patience.TotalMinutes:0} minutes. `./imagesearch pipeline` shows where they are.");
            }

            await Task.Delay(period, ct);
        }
    }

    public async ValueTask DisposeAsync() =>
        await Parallel.ForEachAsync(store.ListAsync(store.Options.UploadBucket, prefix), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (o, token) => await store.DeleteAsync(store.Options.UploadBucket, o.Key, token));
}
