using System.Collections.Concurrent;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;

namespace ImageSearch.Query.Models;

/// <summary>There is no model that could turn the query into a vector; words still work.</summary>
public sealed class NoModelException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The embedding model that answers queries: the one that the catalogue calls active. After a switch new queries take the new model, while
/// those under way keep theirs. If the new one cannot be opened here, the one before goes on as long as its vectors are there.
/// </summary>
public sealed partial class ActiveModels(
    EmbeddingCatalog catalog, VectorSearch vectors, Func<RegisteredModel, SearchModel> open, TimeProvider time, ILogger<ActiveModels> logger) : IDisposable
{
    private const int SampleSize = 1000;

    // A switch is seen within this time; the question is one indexed row, but need not be asked for every query.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SampleFresh = TimeSpan.FromMinutes(5);

    // Longer than any request lives.
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(2);

    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly ConcurrentDictionary<SearchModel, DateTimeOffset> retired = new();
    private volatile SearchModel? current;
    private long checkedAt;

    /// <exception cref="NoModelException">No model is active, or it cannot be opened and there is none before it.</exception>
    public async Task<SearchModel> GetAsync(CancellationToken ct)
    {
        if (current is { } known && time.GetElapsedTime(Interlocked.Read(ref checkedAt)) < Fresh)
        {
            return known;
        }

        await gate.WaitAsync(ct);
        try
        {
            if (current is { } other && time.GetElapsedTime(checkedAt) < Fresh)
            {
                return other;
            }

            var model = await ChooseAsync(ct);
            if (time.GetUtcNow() - model.Sampled > SampleFresh)
            {
                model.TakeSample(await vectors.SampleAsync(model.Registered, SampleSize, ct), time.GetUtcNow());
            }

            Interlocked.Exchange(ref checkedAt, time.GetTimestamp());
            DisposeRetired();
            return model;
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose()
    {
        current?.Dispose();
        foreach (var model in retired.Keys)
        {
            model.Dispose();
        }

        gate.Dispose();
    }

    private async Task<SearchModel> ChooseAsync(CancellationToken ct)
    {
        var registered = await catalog.ModelsAsync(ct);
        var active = registered.FirstOrDefault(m => m.State == "active");
        var before = current;
        if (active is null)
        {
            throw new NoModelException("No embedding model is active yet. It becomes so when the embedder starts for the first time, or with `imagesearch models activate`.");
        }

        if (before is not null && before.Registered.Id == active.Id && before.Registered.Name == active.Name)
        {
            return before;
        }

        try
        {
            var opened = await Task.Run(() => open(active), ct);
            if (before is not null)
            {
                retired[before] = time.GetUtcNow();
            }

            Switched(active.Name);
            return current = opened;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            CannotOpen(e, active.Name);
            return before is not null && registered.Any(m => m.Id == before.Registered.Id)
                ? before
                : throw new NoModelException($"The active embedding model {active.Name} cannot be opened: {e.Message}", e);
        }
    }

    private void DisposeRetired()
    {
        foreach (var (model, since) in retired)
        {
            if (time.GetUtcNow() - since > Grace && retired.TryRemove(model, out _))
            {
                model.Dispose();
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Queries are answered by embedding model {Model}")]
    private partial void Switched(string model);

    [LoggerMessage(LogLevel.Error, "Embedding model {Model} cannot be opened")]
    private partial void CannotOpen(Exception exception, string model);
}
