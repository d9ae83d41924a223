using ImageSearch.Models;

namespace ImageSearch.Compression;

/// <summary>
/// One layer of the integer networks: int16 weights, int32 bias, a right shift per output channel. The constructor proves that no
/// int32 accumulator can overflow for inputs of at most <see cref="InputLimit"/>; that is why every SIMD order of summation gives the same integers.
/// </summary>
internal sealed class IntegerLayer
{
    /// <summary>Outputs that one block of the packed weights holds: an AVX-512 register of int32.</summary>
    public const int Block = 16;

    /// <summary>Every activation is an int16 of at most 12 bits.</summary>
    public const int InputLimit = 4095;

    /// <param name="depthwise">3x3 depthwise with zero padding (weights [channels][9]) or 1x1 (weights [outputs][inputs]).</param>
    /// <exception cref="ModelException">The shape is not one the kernels take, or an accumulator could overflow.</exception>
    public IntegerLayer(bool depthwise, int inputs, int outputs, short[] weights, int[] bias, byte[] shift)
    {
        if (inputs % 2 == 1 && !depthwise || outputs % Block != 0 || outputs == 0 || depthwise && inputs != 9)
        {
            throw new ModelException($"An integer layer of {inputs} inputs and {outputs} outputs is not supported.");
        }

        for (var o = 0; o < outputs; o++)
        {
            long bound = Math.Abs((long)bias[o]) + (1L << shift[o]);
            for (var i = 0; i < inputs; i++)
            {
                bound += InputLimit * Math.Abs((long)weights[(o * inputs) + i]);
            }

            if (shift[o] > 30 || bound > int.MaxValue)
            {
                throw new ModelException($"Output {o} of an integer layer could overflow 32 bits.");
            }
        }

        (Inputs, Outputs, Bias) = (inputs, outputs, bias);
        Shift = [.. shift.Select(s => (int)s)];
        Half = [.. shift.Select(s => s == 0 ? 0 : 1 << (s - 1))];
        Weights = new short[weights.Length];
        for (var o = 0; o < outputs; o++)
        {
            for (var i = 0; i < inputs; i++)
            {
                // 1x1: [output block][input pair][output in block][2], so that one load serves a multiply-add of pairs; depthwise: [tap][channel].
                var at = depthwise ? (i * outputs) + o
                    : (o / Block * inputs * Block) + (i / 2 * Block * 2) + (o % Block * 2) + (i % 2);
                Weights[at] = weights[(o * inputs) + i];
            }
        }
    }

    public int Inputs { get; }

    public int Outputs { get; }

    /// <summary>Packed; see the constructor.</summary>
    public short[] Weights { get; }

    public int[] Bias { get; }

    public int[] Shift { get; }

    /// <summary>2^(shift - 1), or 0 where the shift is 0: added before the shift, it rounds.</summary>
    public int[] Half { get; }
}
