using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Compression;
using ImageSearch.Imaging;
using ImageSearch.Inference;
using ImageSearch.Models;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ImageSearch.Captioner.Tagging;

/// <summary>
/// Words without any server: the tags of the shipped embedding model over the codec's latents of the whole picture and of each crop, put into a row
/// as the caption ("dog, animal, grass"). It knows the words of its model's tags.json and no grammar; the stored captioner says so.
/// </summary>
public sealed class TaggerCaptioner(ModelsOptions models, CaptionerOptions options) : ICaptioner, IDisposable
{
    private readonly IReadOnlyList<Region> regions = CropGrid.Regions(options.Grid, options.Overlap);
    private readonly Lock gate = new();
    private Opened? opened;

    public string Name => $"tagger:{options.TaggerModel}";

    public string Version => $"tags/{options.Grid}";

    public HealthCheckResult Health
    {
        get
        {
            try
            {
                Open();
                return HealthCheckResult.Healthy();
            }
            catch (ModelException e)
            {
                return HealthCheckResult.Unhealthy($"Captions wait for the tagger's model: {e.Message}");
            }
        }
    }

    public async Task<IReadOnlyList<RegionText>> CaptionAsync(ReadOnlyMemory<byte> original, CancellationToken ct = default)
    {
        Opened o;
        try
        {
            o = Open();
        }
        catch (ModelException e)
        {
            // It concerns every picture, so the queue waits until the model is there.
            CaptionMetrics.Failures.Add(1, new KeyValuePair<string, object?>("kind", nameof(CaptionFailure.Misconfigured)));
            throw new CaptionException(CaptionFailure.Misconfigured, e.Message, null, e);
        }

        var clock = Stopwatch.StartNew();
        var picture = ImageFiles.DecodeScaled(original, LicCodec.SearchLongestSide).Flatten(255, 255, 255);
        var grid = o.Codec.Analyze(picture);

        // All at once: crops of one shape share a run of the network.
        var embeddings = await Task.WhenAll(regions.Select(r => o.Model.EmbedLatentsAsync(LatentRegions.Cut(grid, r), ct)));
        var milliseconds = (float)clock.Elapsed.TotalMilliseconds / regions.Count;
        return [.. regions.Zip(embeddings, (r, e) => o.Tagger.Tags(e) switch
        {
            var tags => new RegionText(r.Number, r.X, r.Y, r.Width, r.Height, [.. tags.Select(t => t.Name)], o.Tagger.Caption(tags), Milliseconds: milliseconds),
        })];
    }

    public void Dispose()
    {
        opened?.Model.Dispose();
        opened?.Codec.Dispose();
    }

    /// <exception cref="ModelException">A model is missing or damaged, or has no tags; another try later may find it restored.</exception>
    private Opened Open()
    {
        lock (gate)
        {
            if (opened is { } o)
            {
                return o;
            }

            var model = EmbeddingModel.Open(models, options.TaggerModel);
            try
            {
                var tagger = model.Source == EmbeddingSource.Latents && model.Tagger is { } t ? t : throw new ModelException(
                    $"Model {model.Id} has no tags over latents. Set Captioner:TaggerModel to one that has, or Captioner:Kind to mllm.");

                // Its network is opened here and not with the first picture.
                _ = model.Pictures;
                return opened = new(LicCodec.Open(models), model, tagger);
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
    }

    private sealed record Opened(LicCodec Codec, EmbeddingModel Model, Tagger Tagger);
}
