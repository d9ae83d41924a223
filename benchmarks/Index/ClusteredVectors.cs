using System.Numerics.Tensors;

namespace ImageSearch.Benchmarks.Index;

/// <summary>
/// Unit vectors in clusters off the origin, as embeddings lie: a direction that all share, a centre for each 50 vectors, and noise of
/// twice their length. Independent random vectors would all be equally far from each other, and recall would say nothing.
/// </summary>
public sealed class ClusteredVectors
{
    private const int PerCluster = 50;
    private const double Shared = 1, Centre = 1, Noise = 2;

    private readonly float[][] centres;
    private readonly float[] shared;
    private readonly int dimensions;

    public ClusteredVectors(int count, int dimensions)
    {
        this.dimensions = dimensions;
        var random = new Random(1);
        shared = Gaussian(random, Shared);
        centres = [.. Enumerable.Range(0, Math.Max(1, count / PerCluster)).Select(_ => Gaussian(random, Centre))];
    }

    /// <summary>From a random cluster.</summary>
    public float[] Draw(Random random)
    {
        var vector = Gaussian(random, Noise);
        TensorPrimitives.Add<float>(vector, centres[random.Next(centres.Length)], vector);
        TensorPrimitives.Add<float>(vector, shared, vector);
        TensorPrimitives.Divide<float>(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }

    /// <summary>Normal in each direction, with the given length on average.</summary>
    private float[] Gaussian(Random random, double length)
    {
        var vector = new float[dimensions];
        for (var i = 0; i < dimensions; i++)
        {
            vector[i] = (float)(length / Math.Sqrt(dimensions) * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return vector;
    }
}
