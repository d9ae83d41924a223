using System.Numerics.Tensors;

namespace ImageSearch.Inference.Tuning;

/// <summary>
/// Ridge regression of what is missing between pictures and their texts (Hoerl and Kennard 1970): with v' and t' centred on their means, Delta = argmin sum |t' - v' - Delta v'|^2 +
/// lambda |Delta|^2, so that a strong penalty leaves W = I + Delta at the identity. Closed form by Cholesky, in double precision.
/// </summary>
internal sealed class RidgeFit
{
    private readonly int size;
    private readonly double[] covariance;
    private readonly double[] target;
    private readonly double scale;

    /// <param name="pictures">n vectors [D].</param>
    /// <param name="texts">Their texts' vectors, in the same order.</param>
    public RidgeFit(IReadOnlyList<float[]> pictures, IReadOnlyList<float[]> texts)
    {
        size = pictures[0].Length;
        PictureMean = VectorMath.Mean(pictures);
        TextMean = VectorMath.Mean(texts);
        covariance = new double[size * size];
        target = new double[size * size];
        var (v, r) = (new double[size], new double[size]);
        for (var n = 0; n < pictures.Count; n++)
        {
            for (var i = 0; i < size; i++)
            {
                v[i] = pictures[n][i] - (double)PictureMean[i];
                r[i] = texts[n][i] - (double)TextMean[i] - v[i];
            }

            for (var i = 0; i < size; i++)
            {
                Add(covariance, i, v[i], v);
                Add(target, i, v[i], r);
            }
        }

        for (var i = 0; i < size; i++)
        {
            scale += covariance[(i * size) + i] / size;
        }

        scale = Math.Max(scale, 1e-9);
    }

    public float[] PictureMean { get; }

    public float[] TextMean { get; }

    /// <param name="strength">lambda in units of the mean eigenvalue of the pictures' scatter matrix; above 0.</param>
    /// <returns>W = I + Delta, [D, D] row by row.</returns>
    public float[] Solve(double strength)
    {
        var factor = Cholesky(strength * scale);
        var x = (double[])target.Clone();
        for (var i = 0; i < size; i++)
        {
            for (var k = 0; k < i; k++)
            {
                Add(x, i, -factor[(i * size) + k], Row(x, k));
            }

            TensorPrimitives.Divide(Row(x, i), factor[(i * size) + i], Row(x, i));
        }

        for (var i = size - 1; i >= 0; i--)
        {
            for (var k = i + 1; k < size; k++)
            {
                Add(x, i, -factor[(k * size) + i], Row(x, k));
            }

            TensorPrimitives.Divide(Row(x, i), factor[(i * size) + i], Row(x, i));
        }

        var weights = new float[size * size];
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++)
            {
                weights[(i * size) + j] = (float)x[(j * size) + i] + (i == j ? 1 : 0);
            }
        }

        return weights;
    }

    /// <summary>The correction that carries the pictures' mean to <paramref name="centre"/> and differences from it through <paramref name="weights"/>.</summary>
    public LinearCorrection Around(float[] weights, float[] centre)
    {
        var mapped = new LinearCorrection(weights, new float[size]).Map(PictureMean);
        TensorPrimitives.Subtract(centre, mapped, mapped);
        return new(weights, mapped);
    }

    private double[] Cholesky(double ridge)
    {
        var factor = new double[size * size];
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var rest = covariance[(i * size) + j] + (i == j ? ridge : 0) - TensorPrimitives.Dot<double>(factor.AsSpan(i * size, j), factor.AsSpan(j * size, j));
                factor[(i * size) + j] = i == j ? Math.Sqrt(Math.Max(rest, 1e-12)) : rest / factor[(j * size) + j];
            }
        }

        return factor;
    }

    private Span<double> Row(double[] matrix, int row) => matrix.AsSpan(row * size, size);

    private void Add(double[] matrix, int row, double factor, ReadOnlySpan<double> values) =>
        TensorPrimitives.MultiplyAdd(values, factor, Row(matrix, row), Row(matrix, row));
}
