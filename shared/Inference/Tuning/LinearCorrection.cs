using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using ImageSearch.Models;

namespace ImageSearch.Inference.Tuning;

/// <summary>
/// y = W v + b, scaled to length 1: what a tuned model does to the picture vectors of its base. As a file: W row by row, then b, all little-endian float32, (D x D + D) x 4 bytes.
/// </summary>
/// <param name="Weights">W, [D, D], row by row; each row makes one output.</param>
/// <param name="Bias">b, [D].</param>
public sealed record LinearCorrection(float[] Weights, float[] Bias)
{
    public int Dimensions => Bias.Length;

    /// <summary>y = v + b.</summary>
    public static LinearCorrection Shift(float[] bias)
    {
        var weights = new float[bias.Length * bias.Length];
        for (var i = 0; i < bias.Length; i++)
        {
            weights[(i * bias.Length) + i] = 1;
        }

        return new(weights, bias);
    }

    /// <summary>Part of the way from the vector as it is to the corrected one: (1 - s) v + s (W v + b) / length.</summary>
    /// <param name="share">s, 0 to 1.</param>
    /// <param name="length">Usual length of W v + b, so that both ends weigh as much as s says.</param>
    internal LinearCorrection Part(float share, float length)
    {
        var weights = Weights.Select(w => share / length * w).ToArray();
        for (var i = 0; i < Dimensions; i++)
        {
            weights[(i * Dimensions) + i] += 1 - share;
        }

        return new(weights, [.. Bias.Select(b => share / length * b)]);
    }

    /// <param name="vector">[D], unit length.</param>
    /// <returns>A new unit vector.</returns>
    /// <exception cref="InvalidDataException">The corrected vector has no direction.</exception>
    public float[] Apply(ReadOnlySpan<float> vector) => UnitVectors.Normalise(Map(vector));

    /// <returns>W v + b as it is.</returns>
    internal float[] Map(ReadOnlySpan<float> vector)
    {
        if (vector.Length != Dimensions)
        {
            throw new ArgumentException($"The vector has {vector.Length} dimensions, the correction {Dimensions}.", nameof(vector));
        }

        var result = new float[Dimensions];
        for (var i = 0; i < result.Length; i++)
        {
            result[i] = TensorPrimitives.Dot(Weights.AsSpan(i * Dimensions, Dimensions), vector) + Bias[i];
        }

        return result;
    }

    /// <exception cref="ModelException">The file has another length, or holds NaN or infinity.</exception>
    public static LinearCorrection Read(string path, int dimensions)
    {
        var bytes = File.ReadAllBytes(path);
        var expected = ((long)dimensions + 1) * dimensions * sizeof(float);
        if (bytes.Length != expected)
        {
            throw new ModelException($"{path} has {bytes.Length} bytes; a correction of {dimensions} dimensions has {expected}.");
        }

        var values = MemoryMarshal.Cast<byte, float>(bytes);
        foreach (var value in values)
        {
            if (!float.IsFinite(value))
            {
                throw new ModelException($"{path} holds numbers that are not finite.");
            }
        }

        return new(values[..(dimensions * dimensions)].ToArray(), values[(dimensions * dimensions)..].ToArray());
    }

    public void Write(string path)
    {
        using var file = File.Create(path);
        file.Write(MemoryMarshal.AsBytes<float>(Weights));
        file.Write(MemoryMarshal.AsBytes<float>(Bias));
    }
}
