using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Query.Search;

namespace ImageSearch.Query.Models;

/// <summary>An embedding model as the search uses it: text and pictures to unit vectors in one space, and what unrelated pictures look like in it.</summary>
public sealed class SearchModel : IDisposable
{
    private volatile IReadOnlyList<float[]> sample = [];

    public required RegisteredModel Registered { get; init; }

    /// <summary>A text query to a unit vector, prompt templates applied.</summary>
    public required Func<string, float[]> EncodeText { get; init; }

    /// <summary>A query picture to a unit vector, the way that stored pictures are embedded.</summary>
    public required Func<Picture, CancellationToken, Task<float[]>> EncodePicture { get; init; }

    /// <summary>Overlapping windows of a stored bitstream to unit vectors, for heat maps.</summary>
    public required Func<byte[], CancellationToken, Task<WindowVectors>> EncodeWindows { get; init; }

    public ModelCalibration Calibration { get; init; } = ModelCalibration.Default;

    /// <summary>Weight of resemblance against words that was tuned for this model; null takes the configured one.</summary>
    public double? DenseWeight { get; init; }

    /// <summary>Vectors of pictures outside any collection, shipped with the model; empty where it has none.</summary>
    public IReadOnlyList<float[]> Shipped { get; init; } = [];

    public IDisposable? Owned { get; init; }

    public string Name => Registered.Name;

    /// <summary>
    /// What a query's cosines are measured against. The shipped vectors where there are any: in a collection of nothing but dogs, dogs are
    /// still a good match for "dog". Else a sample of the collection.
    /// </summary>
    public IReadOnlyList<float[]> Reference => Shipped.Count >= Background.MinReference ? Shipped : sample;

    internal DateTimeOffset Sampled { get; private set; } = DateTimeOffset.MinValue;

    internal void TakeSample(IReadOnlyList<float[]> vectors, DateTimeOffset at) => (sample, Sampled) = (vectors, at);

    public void Dispose() => Owned?.Dispose();
}

/// <summary>A grid of overlapping windows, row by row, each <see cref="Width"/> by <see cref="Height"/> as shares of the picture.</summary>
/// <param name="Vectors">Columns * Rows unit vectors.</param>
public sealed record WindowVectors(int Columns, int Rows, float Width, float Height, IReadOnlyList<float[]> Vectors);
