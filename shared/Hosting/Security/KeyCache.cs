using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.RateLimiting;
using ImageSearch.Catalog;
using Microsoft.Extensions.Options;

namespace ImageSearch.Hosting.Security;

/// <summary>
/// Keys in use, which spares the database a look-up for each request (a revoked key works on for at most ten seconds), and a limit on wrong keys from one
/// address. The secrets themselves are not kept, only their hashes.
/// </summary>
internal sealed class KeyCache(ApiKeyCatalog keys, TimeProvider time, IOptions<SecurityOptions> options) : IDisposable
{
    private readonly ConcurrentDictionary<string, (ApiKey Key, DateTimeOffset Until)> cache = new();

    private readonly PartitionedRateLimiter<string> wrong = PartitionedRateLimiter.Create<string, string>(network => RateLimitPartition.GetTokenBucketLimiter(network, _ => new()
    {
        TokenLimit = options.Value.WrongKeysPerMinute,
        TokensPerPeriod = 1,
        ReplenishmentPeriod = TimeSpan.FromMinutes(1.0 / options.Value.WrongKeysPerMinute),
        QueueLimit = 0,
    }));

    /// <returns>The key, or null if there is none in force; or the seconds to wait, when too many wrong ones came from this address: then nothing was looked up.</returns>
    public async Task<(ApiKey? Key, int? Wait)> FindAsync(string? secret, IPAddress? address, CancellationToken ct)
    {
        if (string.IsNullOrEmpty(secret))
        {
            return default;
        }

        var now = time.GetUtcNow();
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
        if (cache.TryGetValue(hash, out var known) && known.Until > now)
        {
            // Whoever is already in stays in, whatever others try from the same address.
            return (known.Key, null);
        }

        // A lease of nothing would be given for a fraction of a token too.
        var network = Network(address);
        if (wrong.GetStatistics(network) is { CurrentAvailablePermits: < 1 })
        {
            return (null, (int)Math.Ceiling(60.0 / options.Value.WrongKeysPerMinute));
        }

        if (await keys.FindAsync(secret, ct) is not { } key)
        {
            cache.TryRemove(hash, out _);
            wrong.AttemptAcquire(network).Dispose();
            return default;
        }

        if (cache.Count > 1000)
        {
            cache.Clear();
        }

        cache[hash] = (key, now + TimeSpan.FromSeconds(10));
        await keys.UsedAsync(key.Id, ct);
        return (key, null);
    }

    public void Dispose() => wrong.Dispose();

    /// <summary>An IPv4 address, or the /64 network of an IPv6 address, which one client has as a whole.</summary>
    internal static string Network(IPAddress? address)
    {
        if (address is { IsIPv4MappedToIPv6: true })
        {
            address = address.MapToIPv4();
        }

        return address?.AddressFamily == AddressFamily.InterNetworkV6 ? Convert.ToHexString(address.GetAddressBytes().AsSpan(0, 8)) : address?.ToString() ?? "unknown";
    }
}
