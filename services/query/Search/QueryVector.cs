using System.Numerics.Tensors;

namespace ImageSearch.Query.Search;

/// <summary>Vectors of the parts of a query become the one that is searched for.</summary>
public static class QueryVector
{
    /// <summary>
    /// <c>q = (w_t t + w_i v - w_n sum n') / |...|</c>. A negative part n' is n without what all pictures have in common (the mean's
    /// direction), else "not X" would push away from pictures as such.
    /// </summary>
    /// <param name="positive">Unit vectors with their weights.</param>
    /// <param name="negative">Unit vectors.</param>
    /// <param name="mean">Mean of the space, of any length; null where it is not known.</param>
    /// <returns>A unit vector; null when the parts cancel out.</returns>
    public static float[]? Compose(IReadOnlyList<(float[] Vector, double Weight)> positive, IReadOnlyList<float[]> negative, double negativeWeight, float[]? mean)
    {
        var dimensions = positive.Count > 0 ? positive[0].Vector.Length : negative[0].Length;
        var sum = new float[dimensions];
        foreach (var (vector, weight) in positive)
        {
            TensorPrimitives.MultiplyAdd(vector, (float)weight, sum, sum);
        }

        var axis = mean is { } m && m.Length == dimensions ? Unit(m) : null;
        foreach (var vector in negative)
        {
            TensorPrimitives.MultiplyAdd(vector, (float)-negativeWeight, sum, sum);
            if (axis is not null)
            {
                TensorPrimitives.MultiplyAdd(axis, (float)negativeWeight * TensorPrimitives.Dot<float>(vector, axis), sum, sum);
            }
        }

        return Unit(sum);
    }

    /// <summary>Scaled to length 1; null for vectors without a direction.</summary>
    public static float[]? Unit(float[] vector)
    {
        var norm = TensorPrimitives.Norm<float>(vector);
        if (!(norm > 1e-6) || !float.IsFinite(norm))
        {
            return null;
        }

        var unit = new float[vector.Length];
        TensorPrimitives.Divide(vector, norm, unit);
        return unit;
    }
}
