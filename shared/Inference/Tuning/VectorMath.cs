using System.Numerics.Tensors;

namespace ImageSearch.Inference.Tuning;

internal static class VectorMath
{
    public static float[] Mean(IReadOnlyList<float[]> vectors)
    {
        var sum = new float[vectors[0].Length];
        foreach (var vector in vectors)
        {
            TensorPrimitives.Add(sum, vector, sum);
        }

        TensorPrimitives.Divide(sum, vectors.Count, sum);
        return sum;
    }

    /// <summary>target += factor * values.</summary>
    public static void AddScaled(Span<float> target, float factor, ReadOnlySpan<float> values) => TensorPrimitives.MultiplyAdd(values, factor, target, target);
}
