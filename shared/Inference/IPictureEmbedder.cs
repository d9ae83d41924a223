namespace ImageSearch.Inference;

/// <summary>A picture tower. Implementations: <see cref="LatentAdapter"/> and <see cref="ClipImageEncoder"/>.</summary>
public interface IPictureEmbedder : IDisposable
{
    /// <summary>Most inputs of one run.</summary>
    int MaxBatch { get; }

    /// <summary>Runs the network once.</summary>
    /// <param name="batch">1 to <see cref="MaxBatch"/> inputs of one shape.</param>
    /// <returns>One embedding for each input, in order. A vector is not yet scaled to length 1 and may hold NaN where the network failed on its input.</returns>
    /// <exception cref="InvalidDataException">The network refuses the batch.</exception>
    IReadOnlyList<PictureEmbedding> Embed(IReadOnlyList<PictureTensor> batch);
}
