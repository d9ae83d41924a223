using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>What the picture tower of an embedding model reads.</summary>
public enum EmbeddingSource
{
    /// <summary>The codec's quantised latents; no pixel is decoded.</summary>
    Latents,

    /// <summary>Pixels, as published CLIP-family models do.</summary>
    Pixels,
}

/// <summary>Fields of a manifest of kind <c>embedding</c>; docs/models.md describes each.</summary>
internal sealed record EmbeddingManifest(
    int Dimensions, EmbeddingSource Source, TextManifest? Text, LatentsManifest? Latents, PixelsManifest? Pixels,
    float LogitScale, float LogitBias, float[]? Mean, BatchManifest Batch)
{
    /// <exception cref="ModelException">Not an embedding model, or a field is missing or out of range.</exception>
    public static EmbeddingManifest Read(ModelManifest manifest)
    {
        if (manifest.Kind != "embedding")
        {
            throw new ModelException($"Model {manifest.Id} is of kind '{manifest.Kind}', not 'embedding'. Set Models:Embedding to an embedding model; `imagesearch models list` shows them.");
        }

        var source = manifest.Get<string>("source") switch
        {
            "latents" => EmbeddingSource.Latents,
            "pixels" => EmbeddingSource.Pixels,
            var other => throw Bad(manifest, $"source '{other}' is neither 'latents' nor 'pixels'"),
        };
        var read = new EmbeddingManifest(
            manifest.Get<int>("dimensions"), source,
            manifest.GetOrDefault<TextManifest>("text"), manifest.GetOrDefault<LatentsManifest>("latents"), manifest.GetOrDefault<PixelsManifest>("pixels"),
            manifest.Extra.ContainsKey("logitScale") ? manifest.Get<float>("logitScale") : 100, manifest.GetOrDefault<float>("logitBias"),
            manifest.GetOrDefault<float[]>("mean"), manifest.GetOrDefault<BatchManifest>("batch") ?? new BatchManifest());
        return read switch
        {
            { Dimensions: < 1 or > 16_000 } => throw Bad(manifest, $"dimensions {read.Dimensions} is not between 1 and 16,000"),
            { Source: EmbeddingSource.Latents, Latents: null } => throw Bad(manifest, "source is 'latents' but the section 'latents' is missing"),
            { Source: EmbeddingSource.Pixels, Pixels: null } => throw Bad(manifest, "source is 'pixels' but the section 'pixels' is missing"),
            { Mean: { } mean } when mean.Length != read.Dimensions => throw Bad(manifest, $"mean has {mean.Length} values instead of {read.Dimensions}"),
            { Text.ContextLength: < 3 or > 512 } => throw Bad(manifest, $"text.contextLength {read.Text.ContextLength} is not between 3 and 512"),
            { Pixels.Size: < 8 or > 2048 } => throw Bad(manifest, $"pixels.size {read.Pixels.Size} is not between 8 and 2048"),
            _ => read,
        };
    }

    /// <summary>These towers as the model <paramref name="manifest"/> uses them: a correction moves the mean.</summary>
    /// <exception cref="ModelException">Its mean has another length.</exception>
    public EmbeddingManifest Corrected(ModelManifest manifest) => manifest.GetOrDefault<float[]>("mean") is var mean && mean is not null && mean.Length != Dimensions
        ? throw Bad(manifest, $"mean has {mean.Length} values instead of {Dimensions}")
        : this with { Mean = mean };

    internal static ModelException Bad(ModelManifest manifest, string what) => new($"manifest.json of model {manifest.Id}: {what}. docs/models.md describes the fields.");
}

/// <summary>Text tower. <c>text_encoder</c> is the ONNX file, <c>vocab</c> and <c>merges</c> the tokenizer's.</summary>
/// <param name="ContextLength">Most token ids of one text, start and end included.</param>
/// <param name="Tokenizer">Kind and options.</param>
/// <param name="Input">Tensor of ids [B, T], int64 or int32.</param>
/// <param name="MaskInput">Tensor of ones and zeros beside the ids; null when the graph has none.</param>
/// <param name="Output">Tensor [B, D].</param>
/// <param name="FixedLength">True: every text is padded to ContextLength (CLIP); false: to the longest of the batch.</param>
/// <param name="Prompts">Templates with one {} each, averaged for short queries.</param>
/// <param name="PromptMaxWords">Longer queries are sentences already and take no template.</param>
internal sealed record TextManifest(
    int ContextLength, TokenizerManifest Tokenizer, string Input = "input_ids", string? MaskInput = null, string Output = "embedding",
    bool FixedLength = false, string[]? Prompts = null, int PromptMaxWords = 4);

/// <param name="Kind"><c>bpe</c>; anything else is refused.</param>
/// <param name="Letters"><c>unicode</c> (CLIP) or <c>ascii</c>.</param>
/// <param name="Clean">Undo HTML entities and compose characters first, as CLIP does.</param>
/// <param name="PadId">Id after the end.</param>
/// <param name="StartToken">Its text in the vocabulary.</param>
/// <param name="EndToken">Its text in the vocabulary.</param>
internal sealed record TokenizerManifest(
    string Kind = "bpe", string Letters = "unicode", bool Clean = true, int PadId = 0, string StartToken = "<|startoftext|>", string EndToken = "<|endoftext|>");

/// <summary>Adapter on latents: file role <c>adapter</c>; optional role <c>tags</c>.</summary>
/// <param name="Channels">Of the codec's latents.</param>
/// <param name="Space">Name of the latents' space that the adapter was trained on; null when any with so many channels is taken.</param>
/// <param name="Input">Tensor [N, Channels, H, W].</param>
/// <param name="Output">Tensor [N, D].</param>
/// <param name="ClassLogits">Tensor [N, C]; null when the graph has none.</param>
internal sealed record LatentsManifest(int Channels, string? Space = null, string Input = "latents", string Output = "embedding", string? ClassLogits = null);

/// <summary>Image tower on pixels: file role <c>image_encoder</c>.</summary>
/// <param name="Size">Side of the square input.</param>
/// <param name="ResizeTo">Short side before the centre crop; Size when 0.</param>
/// <param name="Resize"><c>shortest</c> (then centre crop) or <c>squash</c>.</param>
/// <param name="Kernel"><c>bicubic</c> or <c>bilinear</c>.</param>
/// <param name="Mean">Per channel, of pixels in 0..1.</param>
/// <param name="Std">Per channel.</param>
/// <param name="Input">Tensor [N, 3, Size, Size].</param>
/// <param name="Output">Tensor [N, D].</param>
internal sealed record PixelsManifest(
    int Size, float[] Mean, float[] Std, int ResizeTo = 0, string Resize = "shortest", string Kernel = "bicubic", string Input = "pixel_values", string Output = "image_embeds");

/// <param name="Max">Most pictures of one run of the network.</param>
/// <param name="DelayMilliseconds">How long the first picture of a batch waits for others.</param>
internal sealed record BatchManifest(int Max = 16, int DelayMilliseconds = 4);
