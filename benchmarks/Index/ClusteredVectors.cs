using System.Numerics.Tensors;

namespace ImageSearch.Benchmarks.Index;

/// <summary>
/// Unit vectors in clusters off the origin, as embeddings lie: a direction that all share, a centre for each 50 vectors, and noise as long as the centre.
/// Independent random vectors would all be equally far from each other, and recall would say nothing.
/// </summary>
/// <remarks>
/// Centres and noise vary most in a few directions: the variance along the k-th axis of a rotated frame falls as exp(-k / 80) / (k + 2), which is how the
/// eigenvalues of 72,192 real picture vectors of the default model's space fall (24 directions by their participation ratio; their mean has length 0.18). With 256 equally
/// strong directions (<c>flat</c>) neighbours are hardly nearer than others, which no real model's vectors are like.
/// </remarks>
public sealed class ClusteredVectors
{
    private const int PerCluster = 50;
    private const double Decay = 80, Flat = 2;

    private readonly int dimensions;
    private readonly float[] deviations;
    private readonly float[][]? frame;
    private readonly float[][] centres;
    private readonly float[] shared;
    private readonly float noise;

    public ClusteredVectors(int count, int dimensions, bool flat = false)
    {
        this.dimensions = dimensions;
        var random = new Random(1);
        double[] variances = [.. Enumerable.Range(0, dimensions).Select(k => flat ? 1 : Math.Exp(-k / Decay) / (k + 2))];
        deviations = [.. variances.Select(v => (float)Math.Sqrt(v / variances.Sum()))];
        noise = flat ? (float)Flat : 1;
        frame = flat ? null : Frame(random);
        shared = Gaussian(random);
        TensorPrimitives.Multiply(shared, (flat ? 1f : 0.25f) / TensorPrimitives.Norm<float>(shared), shared);
        centres = [.. Enumerable.Range(0, Math.Max(1, count / PerCluster)).Select(_ => Coloured(random))];
    }

    /// <summary>From a random cluster.</summary>
    public float[] Draw(Random random)
    {
        var vector = Coloured(random);
        TensorPrimitives.MultiplyAdd<float>(vector, noise, centres[random.Next(centres.Length)], vector);
        TensorPrimitives.Add<float>(vector, shared, vector);
        TensorPrimitives.Divide<float>(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }

    /// <summary>Length 1 on average, with the deviations along the frame's axes.</summary>
    private float[] Coloured(Random random)
    {
        var along = Gaussian(random);
        TensorPrimitives.Multiply<float>(along, deviations, along);
        return frame is null ? along : [.. frame.Select(row => TensorPrimitives.Dot<float>(row, along))];
    }

    /// <summary>Orthonormal rows, by Gram and Schmidt from random ones.</summary>
    private float[][] Frame(Random random)
    {
        var rows = new float[dimensions][];
        for (var i = 0; i < dimensions; i++)
        {
            rows[i] = Gaussian(random);
            for (var j = 0; j < i; j++)
            {
                TensorPrimitives.MultiplyAdd(rows[j], -TensorPrimitives.Dot<float>(rows[i], rows[j]), rows[i], rows[i]);
            }

            TensorPrimitives.Divide(rows[i], TensorPrimitives.Norm<float>(rows[i]), rows[i]);
        }

        return rows;
    }

    /// <summary>Normal in each direction with deviation 1.</summary>
    private float[] Gaussian(Random random)
    {
        var vector = new float[dimensions];
        for (var i = 0; i < dimensions; i++)
        {
            vector[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return vector;
    }
}
