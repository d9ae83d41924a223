using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using Microsoft.Extensions.Options;

namespace ImageSearch.Ingest;

/// <summary>
/// Compares the bucket's listing with the catalogue, at start and on a period, and syncs what differs: events are a hint, the listing is the guarantee.
/// Both sides are read in byte order of the keys, so memory does not grow with the collection.
/// </summary>
public sealed class Reconciler(ObjectStore store, ImageCatalog catalog, IServiceScopeFactory scopes, TimeProvider time, IOptions<IngestOptions> options, ILogger<Reconciler> log)
    : BackgroundService
{
    private const int PageSize = 1000;

    /// <returns>Keys that differed.</returns>
    public async Task<int> ReconcileAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var sync = scope.ServiceProvider.GetRequiredService<ObjectSync>();
        await sync.PublishPendingRemovalsAsync(ct);
        var differing = 0;
        await Parallel.ForEachAsync(DifferencesAsync(ct), new ParallelOptions { MaxDegreeOfParallelism = options.Value.Concurrency, CancellationToken = ct }, async (key, token) =>
        {
            Interlocked.Increment(ref differing);
            try
            {
                await sync.SyncAsync(key, token);
            }
            catch (Exception e) when (!token.IsCancellationRequested)
            {
                // The next round finds the same difference again; one bad key must not hide the others.
                log.LogWarning(e, "{Key} could not be reconciled.", key);
            }
        });
        return differing;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.ReconcilePeriod, time);
        do
        {
            try
            {
                if (await ReconcileAsync(stoppingToken) is > 0 and var n)
                {
                    log.LogInformation("Reconciliation found {Count} keys that differed from the catalogue.", n);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Reconciliation failed and will be tried again in {Period}: {Reason}", options.Value.ReconcilePeriod, e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>Keys whose entity tag differs between store and catalogue, or that only one of them has.</summary>
    private async IAsyncEnumerable<string> DifferencesAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var bucket = store.Options.UploadBucket;
        await using var listed = store.ListAsync(bucket, ct: ct).GetAsyncEnumerator(ct);
        await using var recorded = RecordedAsync(bucket, ct).GetAsyncEnumerator(ct);
        var (hasListed, hasRecorded) = (await listed.MoveNextAsync(), await recorded.MoveNextAsync());
        while (hasListed || hasRecorded)
        {
            var order = !hasRecorded ? -1 : !hasListed ? 1 : CompareUtf8(listed.Current.Key, recorded.Current.Key);
            if (order < 0)
            {
                yield return listed.Current.Key;
                hasListed = await listed.MoveNextAsync();
            }
            else if (order > 0)
            {
                yield return recorded.Current.Key;
                hasRecorded = await recorded.MoveNextAsync();
            }
            else
            {
                if (listed.Current.ETag != recorded.Current.ETag)
                {
                    yield return listed.Current.Key;
                }

                (hasListed, hasRecorded) = (await listed.MoveNextAsync(), await recorded.MoveNextAsync());
            }
        }
    }

    private async IAsyncEnumerable<(string Key, string ETag)> RecordedAsync(string bucket, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var after = "";
        IReadOnlyList<(string Key, string ETag, bool)> page;
        do
        {
            page = await catalog.ListKeysAsync(bucket, after, PageSize, ct);
            foreach (var (key, etag, _) in page)
            {
                yield return (key, etag);
                after = key;
            }
        }
        while (page.Count == PageSize);
    }

    /// <summary>Order of the UTF-8 bytes: how stores list and how the catalogue sorts; .NET's ordinal order differs beyond U+D7FF.</summary>
    internal static int CompareUtf8(string a, string b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b));
}
