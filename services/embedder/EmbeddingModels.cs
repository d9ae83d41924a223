using System.Collections.Concurrent;
using ImageSearch.Inference;
using ImageSearch.Models;
using Microsoft.Extensions.Options;

namespace ImageSearch.Embedder;

/// <summary>Embedding models, opened when first needed and kept: a switch fills a second model while the first goes on.</summary>
public sealed class EmbeddingModels(IOptions<ModelsOptions> options) : IDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<EmbeddingModel>> open = new();

    /// <param name="name"><c>name/version</c>.</param>
    /// <exception cref="ModelException">The model is not in Models:Directory or is damaged.</exception>
    public EmbeddingModel Get(string name)
    {
        try
        {
            return open.GetOrAdd(name, n => new(() => EmbeddingModel.Open(options.Value, n))).Value;
        }
        catch
        {
            // A model that could not be opened may be there at the next try.
            open.TryRemove(name, out _);
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var model in open.Values.Where(m => m.IsValueCreated))
        {
            model.Value.Dispose();
        }
    }
}
