using ImageSearch.Imaging;
using ImageSearch.Inference.Tuning;
using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>
/// A text tower and a picture tower in one space, opened from a manifest. Each tower is loaded when it is first needed: a query service without pictures never loads the
/// picture tower. A manifest with <c>base</c> takes both towers from that model and corrects the picture vectors. Thread-safe.
/// </summary>
public sealed class EmbeddingModel : IDisposable
{
    private readonly EmbeddingManifest embedding;
    private readonly Lazy<TextEncoder> text;
    private readonly Lazy<IPictureEmbedder> pictures;
    private readonly Lazy<MicroBatcher<PictureTensor, PictureEmbedding>> batcher;
    private readonly Lazy<Tagger?> tagger;

    private readonly IReadOnlyList<LinearCorrection> corrections;

    private EmbeddingModel(ModelManifest manifest, ModelManifest towers, IReadOnlyList<LinearCorrection> corrections, ModelsOptions options, TimeSpan? batchDelay)
    {
        Manifest = manifest;
        Towers = towers;
        this.corrections = corrections;
        embedding = EmbeddingManifest.Read(towers).Corrected(manifest);
        text = new(() => new TextEncoder(towers, embedding, options));
        pictures = new(() => embedding.Source == EmbeddingSource.Latents ? new LatentAdapter(towers, embedding, options) : new ClipImageEncoder(towers, embedding, options));
        batcher = new(() => new(pictures.Value.Embed, t => (t.Channels, t.Height, t.Width), pictures.Value.MaxBatch, batchDelay ?? TimeSpan.FromMilliseconds(embedding.Batch.DelayMilliseconds)));
        tagger = new(() => towers.Files.ContainsKey("tags") ? new Tagger(towers.PathOf("tags")) : null);
    }

    public ModelManifest Manifest { get; }

    /// <summary>The model whose files the towers are: <see cref="Manifest"/> itself, or what a tuned model is based on.</summary>
    public ModelManifest Towers { get; }

    public string Name => Manifest.Name;

    /// <summary><c>name/version</c>, the key under which vectors are stored.</summary>
    public string Id => Manifest.Id;

    public int Dimensions => embedding.Dimensions;

    public EmbeddingSource Source => embedding.Source;

    /// <summary>Text tower.</summary>
    /// <exception cref="ModelException">The manifest has no text side, or a tokenizer that is not read here.</exception>
    public TextEncoder Text => text.Value;

    /// <summary>Picture tower, before any correction.</summary>
    /// <exception cref="ModelException">The file is missing or does not fit the manifest.</exception>
    public IPictureEmbedder Pictures => pictures.Value;

    /// <summary>Factor of cosines before a softmax over texts; 100 for CLIP.</summary>
    public float LogitScale => embedding.LogitScale;

    /// <summary>Added after the scale (sigmoid losses); 0 otherwise.</summary>
    public float LogitBias => embedding.LogitBias;

    /// <summary>Mean of many vectors: binary codes are signs of (vector - mean). Null when the manifest has none; centre on the stored vectors' own mean then.</summary>
    public IReadOnlyList<float>? Mean => embedding.Mean;

    /// <summary>Tags from class logits; null when the model has no tags.json.</summary>
    public Tagger? Tagger => tagger.Value;

    /// <summary>Opens <c>Models:Embedding</c>, or another model of the folder by id.</summary>
    /// <param name="options">Where the models lie and how they run.</param>
    /// <param name="id"><c>name/version</c>.</param>
    /// <param name="batchDelay">How long a picture waits for others to share its batch; the manifest's where null. Zero where somebody waits for each.</param>
    /// <exception cref="ModelException">Missing, damaged, or not an embedding model.</exception>
    public static EmbeddingModel Open(ModelsOptions options, string? id = null, TimeSpan? batchDelay = null) =>
        Open(ModelManifest.Load(options.Directory, id ?? options.Embedding), options, batchDelay);

    /// <inheritdoc cref="Open(ModelsOptions, string?, TimeSpan?)"/>
    public static EmbeddingModel Open(ModelManifest manifest, ModelsOptions options, TimeSpan? batchDelay = null)
    {
        manifest.VerifyFiles();
        if (manifest.Kind != "embedding" || manifest.GetOrDefault<string>(TunedModel.BaseField) is null)
        {
            return new EmbeddingModel(manifest, manifest, [], options, batchDelay);
        }

        var (towers, corrections) = TunedModel.Resolve(manifest, options.Directory);
        return new EmbeddingModel(manifest, towers, corrections, options, batchDelay);
    }

    /// <summary>Latents of one picture to its embedding, batched with concurrent calls.</summary>
    /// <exception cref="InvalidOperationException">The model reads pixels.</exception>
    /// <exception cref="InvalidDataException">The network fails on these latents, or they are of another space than the adapter's; others of the batch are not affected.</exception>
    public Task<PictureEmbedding> EmbedLatentsAsync(LatentInput latents, CancellationToken cancellationToken = default)
    {
        if (Source != EmbeddingSource.Latents)
        {
            throw new InvalidOperationException($"Model {Id} reads pixels; decode the picture and call EmbedPictureAsync.");
        }

        return latents.Space is { } space && embedding.Latents!.Space is { } wanted && space != wanted
            ? throw new InvalidDataException($"Model {Id} reads latents of {wanted}, these are of {space}. Activate an adapter for them, or set Models:Codec to a codec with latents of {wanted} and encode again.")
            : RunAsync(latents, cancellationToken);
    }

    /// <summary>Pixels of one picture to its embedding, batched with concurrent calls.</summary>
    /// <exception cref="InvalidOperationException">The model reads latents.</exception>
    /// <exception cref="InvalidDataException">The network fails on this picture; others of the batch are not affected.</exception>
    public Task<PictureEmbedding> EmbedPictureAsync(Picture picture, CancellationToken cancellationToken = default) => Source == EmbeddingSource.Pixels
        ? RunAsync(((ClipImageEncoder)pictures.Value).Prepare(picture), cancellationToken)
        : throw new InvalidOperationException($"Model {Id} reads the codec's latents; encode the picture and call EmbedLatentsAsync.");

    public void Dispose()
    {
        if (batcher.IsValueCreated)
        {
            batcher.Value.Dispose();
        }

        if (pictures.IsValueCreated)
        {
            pictures.Value.Dispose();
        }

        if (text.IsValueCreated)
        {
            text.Value.Dispose();
        }
    }

    private async Task<PictureEmbedding> RunAsync(PictureTensor input, CancellationToken cancellationToken)
    {
        var result = await batcher.Value.RunAsync(input, cancellationToken).ConfigureAwait(false);
        return result with { Vector = corrections.Aggregate(UnitVectors.Normalise(result.Vector), (vector, correction) => correction.Apply(vector)) };
    }
}
