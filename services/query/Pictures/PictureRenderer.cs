using System.Collections.Concurrent;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;
using ImageSearch.Query.Web;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Pictures;

/// <summary>Stored bitstreams to pictures in a format that browsers show. The same picture asked for by many at once is decoded once.</summary>
public sealed class PictureRenderer(ObjectStore store, BitstreamDecoder decoder, IOptions<SearchOptions> options) : IDisposable
{
    private const int Waiting = 64;

    private readonly ByteCache cache = new(options.Value.PictureCacheMegabytes * 1_000_000L);
    private readonly SemaphoreSlim gate = new(options.Value.PictureConcurrency);
    private readonly ConcurrentDictionary<string, Lazy<Task<byte[]>>> underWay = new(StringComparer.Ordinal);
    private int waiting;

    /// <summary>Changes when the stored stream does: part of ETags.</summary>
    public static string Version(Bitstream bitstream) => Convert.ToHexStringLower(bitstream.Sha256.AsSpan(0, 8));

    /// <param name="width">At most this wide, never enlarged; null for the full size.</param>
    /// <exception cref="RequestException">The stream is missing in the store, or too many pictures are asked for.</exception>
    public Task<byte[]> RenderAsync(Bitstream bitstream, int? width, ImageFormat format, CancellationToken ct) =>
        OnceAsync($"{bitstream.Image}-{Version(bitstream)}-{width}-{format}", async () =>
        {
            var picture = decoder.Decode(await StreamAsync(bitstream, CancellationToken.None));
            var height = width is { } w && w < picture.Width ? Math.Max(1, (int)Math.Round((double)picture.Height * w / picture.Width)) : picture.Height;
            return ImageFiles.Encode(height == picture.Height ? picture : picture.Resize(width!.Value, height), format, 82);
        }, ct);

    /// <summary>Bytes under a key, made when they are not at hand; <paramref name="make"/> runs under the limit on concurrent pictures.</summary>
    public async Task<byte[]> OnceAsync(string key, Func<Task<byte[]>> make, CancellationToken ct)
    {
        if (cache.Find(key) is { } known)
        {
            return known;
        }

        // Not cancelled with the first request that asks: others may wait for the same bytes, and the next one surely will.
        var task = underWay.GetOrAdd(key, k => new(() => Task.Run(() => MakeAsync(k, make)))).Value;
        return await task.WaitAsync(ct);
    }

    /// <summary>Bytes of the stored stream.</summary>
    /// <exception cref="RequestException">It is missing in the store.</exception>
    public async Task<byte[]> StreamAsync(Bitstream bitstream, CancellationToken ct) =>
        (await store.GetAsync(store.Options.DerivedBucket, bitstream.Key, ct: ct))?.Content
        ?? throw new RequestException(StatusCodes.Status404NotFound, "id", "The picture's bitstream is missing in the object store; `imagesearch audit --repair` makes it anew.");

    public void Dispose() => gate.Dispose();

    private async Task<byte[]> MakeAsync(string key, Func<Task<byte[]>> make)
    {
        try
        {
            if (Interlocked.Increment(ref waiting) > Waiting)
            {
                throw new RequestException(StatusCodes.Status429TooManyRequests, "", "Too many pictures at once; try again in a moment.");
            }

            await gate.WaitAsync();
            try
            {
                var bytes = await make();
                cache.Add(key, bytes);
                return bytes;
            }
            finally
            {
                gate.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
            underWay.TryRemove(key, out _);
        }
    }
}
