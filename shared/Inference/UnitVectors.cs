using System.Numerics.Tensors;

namespace ImageSearch.Inference;

internal static class UnitVectors
{
    /// <summary>Scales to length 1 in place.</summary>
    /// <exception cref="InvalidDataException">The vector is zero, infinite or NaN: the network failed on this input.</exception>
    public static float[] Normalise(float[] vector)
    {
        var norm = TensorPrimitives.Norm(vector);
        if (!float.IsFinite(norm) || norm < 1e-12f)
        {
            throw new InvalidDataException("The network gave a vector without direction (zero, infinite or NaN) for this input.");
        }

        TensorPrimitives.Divide(vector, norm, vector);
        return vector;
    }

    /// <summary>Mean of unit vectors, scaled to length 1 again.</summary>
    public static float[] Average(IReadOnlyList<float[]> vectors)
    {
        var sum = (float[])vectors[0].Clone();
        foreach (var vector in vectors.Skip(1))
        {
            TensorPrimitives.Add(sum, vector, sum);
        }

        return Normalise(sum);
    }
}
