using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ImageSearch.Compression;

/// <summary>Instruction sets that the integer kernels are written for. All give the same integers.</summary>
internal enum IntegerPath
{
    Scalar,
    Avx2,
    Avx512,
}

/// <summary>
/// The arithmetic of docs/bitstream.md, section 5. Gotchas first:
/// - products are int16 x int16 summed in int32. No sum can overflow (IntegerLayer proves it), so the order of summation is free;
/// - shifts round half up: (a + 2^(s-1)) >> s with an arithmetic shift, never a division, never a cast from float;
/// - saturation happens once, on the way to int16, by clamp to the limits given; pmaddwd itself does not saturate for |x| up to 4095.
/// </summary>
internal static unsafe class IntegerKernels
{
    public static IntegerPath Best { get; } = Avx512BW.IsSupported ? IntegerPath.Avx512 : Avx2.IsSupported ? IntegerPath.Avx2 : IntegerPath.Scalar;

    /// <summary>acc[row][o] = bias[o] + sum_i weight[o][i] * x[row][i].</summary>
    /// <param name="path">Which code runs.</param>
    /// <param name="layer">A 1x1 layer.</param>
    /// <param name="x">rows x stride, the first <c>layer.Inputs</c> of each row used.</param>
    /// <param name="stride">Distance of two rows.</param>
    /// <param name="rows">Positions.</param>
    /// <param name="acc">rows x <c>layer.Outputs</c>.</param>
    public static void Pointwise(IntegerPath path, IntegerLayer layer, short* x, int stride, int rows, int* acc)
    {
        var outputs = layer.Outputs;
        fixed (short* weights = layer.Weights)
        fixed (int* bias = layer.Bias)
        {
            for (var o = 0; o < outputs; o += IntegerLayer.Block)
            {
                var w = weights + (o * layer.Inputs);
                var row = 0;
                if (path == IntegerPath.Avx512)
                {
                    for (; row + 8 <= rows; row += 8)
                    {
                        Rows8(w, bias + o, x + (row * stride), stride, layer.Inputs / 2, acc + (row * outputs) + o, outputs);
                    }

                    for (; row < rows; row++)
                    {
                        Row1Avx512(w, bias + o, x + (row * stride), layer.Inputs / 2, acc + (row * outputs) + o);
                    }
                }
                else if (path == IntegerPath.Avx2)
                {
                    for (; row + 4 <= rows; row += 4)
                    {
                        Rows4(w, bias + o, x + (row * stride), stride, layer.Inputs / 2, acc + (row * outputs) + o, outputs);
                    }

                    for (; row < rows; row++)
                    {
                        Row1Avx2(w, bias + o, x + (row * stride), layer.Inputs / 2, acc + (row * outputs) + o);
                    }
                }
                else
                {
                    for (; row < rows; row++)
                    {
                        Row1Scalar(w, bias + o, x + (row * stride), layer.Inputs / 2, acc + (row * outputs) + o);
                    }
                }
            }
        }
    }

    /// <summary>dst = clamp(add + rounding shift of acc, low, high); <paramref name="add"/> may be null.</summary>
    public static void Requantise(IntegerPath path, IntegerLayer layer, int* acc, int rows, short* add, short* dst, int low, int high)
    {
        var n = layer.Outputs;
        fixed (int* shift = layer.Shift)
        fixed (int* half = layer.Half)
        {
            for (var row = 0; row < rows; row++, acc += n, dst += n, add = add == null ? null : add + n)
            {
                if (path == IntegerPath.Scalar)
                {
                    for (var o = 0; o < n; o++)
                    {
                        dst[o] = (short)Math.Clamp(((acc[o] + half[o]) >> shift[o]) + (add == null ? 0 : add[o]), low, high);
                    }

                    continue;
                }

                var (lo, hi) = (Vector256.Create(low), Vector256.Create(high));
                for (var o = 0; o < n; o += 8)
                {
                    var v = Avx2.ShiftRightArithmeticVariable(Vector256.Load(acc + o) + Vector256.Load(half + o), Vector256.Load(shift + o).AsUInt32());
                    if (add != null)
                    {
                        v += Avx2.ConvertToVector256Int32(add + o);
                    }

                    v = Vector256.Min(Vector256.Max(v, lo), hi);
                    Vector128.Narrow(v.GetLower(), v.GetUpper()).Store(dst + o);
                }
            }
        }
    }

    /// <summary>
    /// Depthwise 3x3 with zero padding over max(x, 0): acc[o] at one position.
    /// </summary>
    /// <param name="path">Which code runs.</param>
    /// <param name="layer">A depthwise layer.</param>
    /// <param name="x">The whole grid, height x width x channels.</param>
    /// <param name="row">Position.</param>
    /// <param name="column">Position.</param>
    /// <param name="height">Rows of the grid.</param>
    /// <param name="width">Columns of the grid.</param>
    /// <param name="acc">Channels.</param>
    public static void Depthwise(IntegerPath path, IntegerLayer layer, short* x, int row, int column, int height, int width, int* acc)
    {
        var n = layer.Outputs;
        layer.Bias.AsSpan().CopyTo(new Span<int>(acc, n));
        fixed (short* weights = layer.Weights)
        {
            for (var tap = 0; tap < 9; tap++)
            {
                var (r, c) = (row + (tap / 3) - 1, column + (tap % 3) - 1);
                if ((uint)r >= (uint)height || (uint)c >= (uint)width)
                {
                    continue;
                }

                var w = weights + (tap * n);
                var v = x + ((((long)r * width) + c) * n);
                if (path == IntegerPath.Scalar)
                {
                    for (var o = 0; o < n; o++)
                    {
                        acc[o] += w[o] * Math.Max((int)v[o], 0);
                    }

                    continue;
                }

                for (var o = 0; o < n; o += 8)
                {
                    var a = Vector256.Max(Avx2.ConvertToVector256Int32(v + o), Vector256<int>.Zero);
                    (Vector256.Load(acc + o) + Avx2.MultiplyLow(a, Avx2.ConvertToVector256Int32(w + o))).Store(acc + o);
                }
            }
        }
    }

    private static void Row1Scalar(short* w, int* bias, short* x, int pairs, int* acc)
    {
        for (var o = 0; o < IntegerLayer.Block; o++)
        {
            var sum = bias[o];
            for (var p = 0; p < pairs; p++)
            {
                var at = w + (p * IntegerLayer.Block * 2) + (o * 2);
                sum += (at[0] * x[2 * p]) + (at[1] * x[(2 * p) + 1]);
            }

            acc[o] = sum;
        }
    }

    private static void Row1Avx2(short* w, int* bias, short* x, int pairs, int* acc)
    {
        var (a, b) = (Vector256.Load(bias), Vector256.Load(bias + 8));
        for (var p = 0; p < pairs; p++, w += 32)
        {
            var v = Vector256.Create(((int*)x)[p]).AsInt16();
            a += Avx2.MultiplyAddAdjacent(v, Vector256.Load(w));
            b += Avx2.MultiplyAddAdjacent(v, Vector256.Load(w + 16));
        }

        a.Store(acc);
        b.Store(acc + 8);
    }

    private static void Rows4(short* w, int* bias, short* x, int stride, int pairs, int* acc, int accStride)
    {
        int* x0 = (int*)x, x1 = (int*)(x + stride), x2 = (int*)(x + (2 * stride)), x3 = (int*)(x + (3 * stride));
        var (a0, b0) = (Vector256.Load(bias), Vector256.Load(bias + 8));
        var (a1, b1, a2, b2, a3, b3) = (a0, b0, a0, b0, a0, b0);
        for (var p = 0; p < pairs; p++, w += 32)
        {
            var (wa, wb) = (Vector256.Load(w), Vector256.Load(w + 16));
            var v = Vector256.Create(x0[p]).AsInt16();
            a0 += Avx2.MultiplyAddAdjacent(v, wa);
            b0 += Avx2.MultiplyAddAdjacent(v, wb);
            v = Vector256.Create(x1[p]).AsInt16();
            a1 += Avx2.MultiplyAddAdjacent(v, wa);
            b1 += Avx2.MultiplyAddAdjacent(v, wb);
            v = Vector256.Create(x2[p]).AsInt16();
            a2 += Avx2.MultiplyAddAdjacent(v, wa);
            b2 += Avx2.MultiplyAddAdjacent(v, wb);
            v = Vector256.Create(x3[p]).AsInt16();
            a3 += Avx2.MultiplyAddAdjacent(v, wa);
            b3 += Avx2.MultiplyAddAdjacent(v, wb);
        }

        a0.Store(acc);
        b0.Store(acc + 8);
        a1.Store(acc + accStride);
        b1.Store(acc + accStride + 8);
        a2.Store(acc + (2 * accStride));
        b2.Store(acc + (2 * accStride) + 8);
        a3.Store(acc + (3 * accStride));
        b3.Store(acc + (3 * accStride) + 8);
    }

    private static void Row1Avx512(short* w, int* bias, short* x, int pairs, int* acc)
    {
        var a = Vector512.Load(bias);
        for (var p = 0; p < pairs; p++, w += 32)
        {
            a += Avx512BW.MultiplyAddAdjacent(Vector512.Create(((int*)x)[p]).AsInt16(), Vector512.Load(w));
        }

        a.Store(acc);
    }

    private static void Rows8(short* w, int* bias, short* x, int stride, int pairs, int* acc, int accStride)
    {
        int* x0 = (int*)x, x1 = (int*)(x + stride), x2 = (int*)(x + (2 * stride)), x3 = (int*)(x + (3 * stride));
        int* x4 = (int*)(x + (4 * stride)), x5 = (int*)(x + (5 * stride)), x6 = (int*)(x + (6 * stride)), x7 = (int*)(x + (7 * stride));
        var a0 = Vector512.Load(bias);
        var (a1, a2, a3, a4, a5, a6, a7) = (a0, a0, a0, a0, a0, a0, a0);
        for (var p = 0; p < pairs; p++, w += 32)
        {
            var v = Vector512.Load(w);
            a0 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x0[p]).AsInt16(), v);
            a1 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x1[p]).AsInt16(), v);
            a2 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x2[p]).AsInt16(), v);
            a3 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x3[p]).AsInt16(), v);
            a4 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x4[p]).AsInt16(), v);
            a5 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x5[p]).AsInt16(), v);
            a6 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x6[p]).AsInt16(), v);
            a7 += Avx512BW.MultiplyAddAdjacent(Vector512.Create(x7[p]).AsInt16(), v);
        }

        a0.Store(acc);
        a1.Store(acc + accStride);
        a2.Store(acc + (2 * accStride));
        a3.Store(acc + (3 * accStride));
        a4.Store(acc + (4 * accStride));
        a5.Store(acc + (5 * accStride));
        a6.Store(acc + (6 * accStride));
        a7.Store(acc + (7 * accStride));
    }
}
