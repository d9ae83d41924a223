using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>Latents to the text encoder's space: the paper's three-scale adapter (its eq. 6), with class logits beside it. Any height and width.</summary>
public sealed class LatentAdapter : IPictureEmbedder
{
    private readonly OnnxNetwork network;
    private readonly LatentsManifest latents;

    internal LatentAdapter(ModelManifest manifest, EmbeddingManifest embedding, ModelsOptions options)
    {
        latents = embedding.Latents!;
        network = new OnnxNetwork(manifest, "adapter", options, [latents.Input], latents.ClassLogits is null ? [latents.Output] : [latents.Output, latents.ClassLogits]);
        network.RequireVectors(latents.Output, embedding.Dimensions);
        if ((network.InputDimension(latents.Input, 1) ?? latents.Channels) != latents.Channels)
        {
            throw EmbeddingManifest.Bad(manifest, $"latents.channels is {latents.Channels} but the network takes {network.InputDimension(latents.Input, 1)}");
        }

        MaxBatch = network.InputDimension(latents.Input, 0) ?? embedding.Batch.Max;
    }

    public int MaxBatch { get; }

    public IReadOnlyList<PictureEmbedding> Embed(IReadOnlyList<PictureTensor> batch)
    {
        if (batch[0].Channels != latents.Channels)
        {
            throw new InvalidDataException($"The latents have {batch[0].Channels} channels; this adapter was trained on {latents.Channels}. It belongs to another codec.");
        }

        using var input = TensorBatch.Stack(batch);
        var rows = network.Run(batch.Count, input);
        return [.. rows[0].Select((vector, i) => new PictureEmbedding(vector, latents.ClassLogits is null ? null : rows[1][i]))];
    }

    public void Dispose() => network.Dispose();
}
