using System.Buffers;

namespace ImageSearch.Compression;

/// <summary>
/// Entropy coding of latents, encode and decode as mirror images:
/// <code>
///   z  --tables by channel-->  stream  --tables by channel-->  z
///   p = h_s(z)                                                 p = h_s(z)
///   for k in 0..3:                                             for k in 0..3:
///     mean, index = context_k(p, y_hat of sets &lt; k)              mean, index = context_k(p, y_hat of sets &lt; k)
///     n = round(y - mean)  --table[index]-->  stream  --table[index]-->  n
///     y_hat = mean + n                                           y_hat = mean + n
/// </code>
/// y lies in "set layout": [row at stride 32][column at stride 32][set k][entry], where entry (ph, j) of set k is channel
/// ((k + ph) mod 4) * M/4 + j at phase ph = 2 * (row and 1) + (column and 1) of the stride-16 grid. Every y_hat is an integer in 1/16.
/// Only <see cref="Parameters"/> chooses probabilities, and it is pure integer arithmetic (<see cref="IntegerKernels"/>).
/// </summary>
internal sealed unsafe class LatentCoder(EntropyModel model, int threads, IntegerPath path)
{
    /// <summary>Positions that one thread handles at a time: a multiple of 8, small enough for the second-level cache.</summary>
    private const int Chunk = 48;
    private const int Signed = 2047;
    private const int Rectified = 4095;
    private const int MeanLimit = 16383;
    private const int LinearLimit = 256;

    private readonly int _m = model.Channels;

    /// <param name="y">Gain-scaled latents in set layout, rows64 * columns64 * 4 positions of 4 * M.</param>
    /// <param name="z">[rows64][columns64][z channels].</param>
    /// <param name="rows64">Rows at stride 64.</param>
    /// <param name="columns64">Columns at stride 64.</param>
    /// <param name="rate">0..<see cref="EntropyModel.MaxRate"/>.</param>
    /// <param name="yHat">Receives y_hat in 1/16, set layout.</param>
    /// <param name="ct">Looked at between steps.</param>
    public byte[] Encode(float[] y, short[] z, int rows64, int columns64, int rate, short[] yHat, CancellationToken ct)
    {
        var coder = new RangeEncoder();
        for (var i = 0; i < rows64 * columns64 * model.ZChannels; i++)
        {
            model.ZTables.Encode(coder, i % model.ZChannels, z[i]);
        }

        using var state = new State(this, rows64, columns64, rate);
        HyperSynthesis(state, z);
        for (var k = 0; k < EntropyModel.Steps; k++)
        {
            ct.ThrowIfCancellationRequested();
            Parameters(state, k, yHat);
            var (mean, index) = (state.Mean, state.Index);
            for (var pos = 0; pos < state.Positions; pos++)
            {
                var at = ((long)pos * 4 * _m) + (k * _m);
                for (int i = 0, s = pos * _m; i < _m; i++, s++, at++)
                {
                    int mu = mean[s];
                    // The clamp keeps y_hat within int16, whatever the network says.
                    var n = Math.Clamp((int)MathF.Round(y[at] - (mu / 16f)), -((short.MaxValue + mu) / 16), (short.MaxValue - mu) / 16);
                    model.ScaleTables.Encode(coder, index[s], n);
                    yHat[at] = (short)(mu + (16 * n));
                }
            }
        }

        return coder.Finish();
    }

    /// <summary>Mirrors <see cref="Encode"/>; fills <paramref name="yHat"/>.</summary>
    /// <exception cref="LicFormatException">The data are not what an encoder writes.</exception>
    public void Decode(ReadOnlySpan<byte> bytes, int rows64, int columns64, int rate, short[] yHat, CancellationToken ct)
    {
        var coder = new RangeDecoder(bytes);
        var z = ArrayPool<short>.Shared.Rent(rows64 * columns64 * model.ZChannels);
        try
        {
            for (var i = 0; i < rows64 * columns64 * model.ZChannels; i++)
            {
                z[i] = ToInt16(model.ZTables.Decode(ref coder, i % model.ZChannels));
            }

            using var state = new State(this, rows64, columns64, rate);
            HyperSynthesis(state, z);
            for (var k = 0; k < EntropyModel.Steps; k++)
            {
                ct.ThrowIfCancellationRequested();
                Parameters(state, k, yHat);
                var (mean, index) = (state.Mean, state.Index);
                for (var pos = 0; pos < state.Positions; pos++)
                {
                    var at = ((long)pos * 4 * _m) + (k * _m);
                    for (int i = 0, s = pos * _m; i < _m; i++, s++, at++)
                    {
                        yHat[at] = ToInt16(mean[s] + (16 * model.ScaleTables.Decode(ref coder, index[s])));
                    }
                }
            }
        }
        finally
        {
            ArrayPool<short>.Shared.Return(z);
        }

        coder.Finish();
    }

    /// <summary>p = h_s(z), kept in the state. Also called by the tests, which compare it with the Python reference.</summary>
    internal void HyperSynthesis(State s, short[] z)
    {
        var (hidden, width32) = (model.HyperDepthwise.Outputs, s.Width);
        var columns64 = width32 / 2;
        var a = ArrayPool<short>.Shared.Rent(s.Positions * hidden);
        try
        {
            ForChunks(s.Positions / 4, (from, to, work) =>
            {
                fixed (short* zp = z, x = work.A, o = work.B)
                fixed (int* acc = work.Acc)
                {
                    for (var i = 0; i < (to - from) * model.ZChannels; i++)
                    {
                        x[i] = (short)Math.Clamp((int)zp[((long)from * model.ZChannels) + i], -Signed, Signed);
                    }

                    IntegerKernels.Pointwise(path, model.HyperIn, x, model.ZChannels, to - from, acc);
                    IntegerKernels.Requantise(path, model.HyperIn, acc, to - from, null, o, -Signed, Signed);
                    for (var pos = from; pos < to; pos++)
                    {
                        for (var phase = 0; phase < 4; phase++)
                        {
                            var target = ((2 * (pos / columns64)) + (phase >> 1)) * width32 + (2 * (pos % columns64)) + (phase & 1);
                            new Span<short>(o + (((pos - from) * 4 + phase) * hidden), hidden).CopyTo(a.AsSpan(target * hidden));
                        }
                    }
                }
            });
            ForChunks(s.Positions, (from, to, work) =>
            {
                fixed (short* ap = a, t = work.A, p = s.Hyper)
                fixed (int* acc = work.Acc)
                {
                    DepthwiseChunk(model.HyperDepthwise, ap, from, to, s, acc, t);
                    IntegerKernels.Pointwise(path, model.HyperOut, t, hidden, to - from, acc);
                    IntegerKernels.Requantise(path, model.HyperOut, acc, to - from, null, p + ((long)from * model.HyperChannels), 0, Rectified);
                }
            });
        }
        finally
        {
            ArrayPool<short>.Shared.Return(a);
        }
    }

    /// <summary>Mean (1/16) and table index of every entry of set k, into the state.</summary>
    internal void Parameters(State s, int k, short[] yHat)
    {
        var (layerIn, layerDw, layerMix, layerOut) = (model.ContextIn[k], model.ContextDepthwise[k], model.ContextMix[k], model.ContextOut[k]);
        var hidden = model.ContextChannels;
        ForChunks(s.Positions, (from, to, work) =>
        {
            fixed (short* x = work.A, h = s.Hidden, p = s.Hyper, y = yHat, log = model.Log)
            fixed (int* acc = work.Acc)
            {
                for (var pos = from; pos < to; pos++)
                {
                    var row = x + ((pos - from) * layerIn.Inputs);
                    new Span<short>(p + ((long)pos * model.HyperChannels), model.HyperChannels).CopyTo(new Span<short>(row, model.HyperChannels));
                    row += model.HyperChannels;
                    for (var j = 0; j < k; j++, row += 2 * _m)
                    {
                        var known = y + ((long)pos * 4 * _m) + (j * _m);
                        for (var i = 0; i < _m; i++)
                        {
                            int v = known[i];
                            row[i] = (short)(Math.Clamp(v, -LinearLimit, LinearLimit) * 4);
                            row[_m + i] = log[Math.Min(Math.Abs(v), EntropyModel.LogEntries - 1)];
                        }
                    }
                }

                IntegerKernels.Pointwise(path, layerIn, x, layerIn.Inputs, to - from, acc);
                IntegerKernels.Requantise(path, layerIn, acc, to - from, null, h + ((long)from * hidden), -Signed, Signed);
            }
        });
        ForChunks(s.Positions, (from, to, work) =>
        {
            fixed (short* t = work.A, g = work.B, h = s.Hidden, mean = s.Mean)
            fixed (int* acc = work.Acc, bias = s.ScaleBias[k])
            fixed (byte* index = s.Index)
            {
                DepthwiseChunk(layerDw, h, from, to, s, acc, t);
                IntegerKernels.Pointwise(path, layerMix, t, hidden, to - from, acc);
                IntegerKernels.Requantise(path, layerMix, acc, to - from, h + ((long)from * hidden), g, 0, Rectified);
                IntegerKernels.Pointwise(path, layerOut, g, hidden, to - from, acc);
                IntegerKernels.Requantise(path, layerOut, acc, to - from, null, t, -MeanLimit, MeanLimit);
                for (var pos = from; pos < to; pos++)
                {
                    var o = t + ((pos - from) * 2 * _m);
                    new Span<short>(o, _m).CopyTo(new Span<short>(mean + ((long)pos * _m), _m));
                    var target = index + ((long)pos * _m);
                    for (var i = 0; i < _m; i++)
                    {
                        target[i] = (byte)Math.Clamp((o[_m + i] + bias[i] + 8) >> 4, 0, EntropyModel.Scales - 1);
                    }
                }
            }
        });
    }

    private static short ToInt16(int v) => v is >= short.MinValue and <= short.MaxValue ? (short)v
        : throw new LicFormatException(LicError.Corrupt, "A latent lies outside the range that an encoder writes.");

    private void DepthwiseChunk(IntegerLayer layer, short* grid, int from, int to, State s, int* acc, short* dst)
    {
        for (var pos = from; pos < to; pos++)
        {
            IntegerKernels.Depthwise(path, layer, grid, pos / s.Width, pos % s.Width, s.Height, s.Width, acc + ((pos - from) * layer.Outputs));
        }

        IntegerKernels.Requantise(path, layer, acc, to - from, null, dst, -Signed, Signed);
    }

    private void ForChunks(int positions, Action<int, int, Work> body)
    {
        var chunks = (positions + Chunk - 1) / Chunk;
        if (threads == 1 || chunks == 1)
        {
            var work = new Work(model);
            for (var c = 0; c < chunks; c++)
            {
                body(c * Chunk, Math.Min(positions, (c + 1) * Chunk), work);
            }

            work.Dispose();
            return;
        }

        Parallel.For(0, chunks, new ParallelOptions { MaxDegreeOfParallelism = threads }, () => new Work(model), (c, _, work) =>
        {
            body(c * Chunk, Math.Min(positions, (c + 1) * Chunk), work);
            return work;
        }, work => work.Dispose());
    }

    /// <summary>Scratch of one thread.</summary>
    internal sealed class Work : IDisposable
    {
        public Work(EntropyModel m)
        {
            var widest = Math.Max(m.HyperIn.Outputs, Math.Max(m.HyperChannels, Math.Max(m.ContextChannels, 2 * m.Channels)));
            A = ArrayPool<short>.Shared.Rent(Chunk * Math.Max(widest, m.ContextIn[^1].Inputs));
            B = ArrayPool<short>.Shared.Rent(Chunk * widest);
            Acc = ArrayPool<int>.Shared.Rent(Chunk * widest);
        }

        public short[] A { get; }

        public short[] B { get; }

        public int[] Acc { get; }

        public void Dispose()
        {
            ArrayPool<short>.Shared.Return(A);
            ArrayPool<short>.Shared.Return(B);
            ArrayPool<int>.Shared.Return(Acc);
        }
    }

    /// <summary>Whole-grid buffers of one call, at stride 32: about 2 KB a position for M = 192.</summary>
    internal sealed class State : IDisposable
    {
        public State(LatentCoder coder, int rows64, int columns64, int rate)
        {
            var m = coder.Model;
            (Height, Width) = (2 * rows64, 2 * columns64);
            Positions = Height * Width;
            Hyper = ArrayPool<short>.Shared.Rent(Positions * m.HyperChannels);
            Hidden = ArrayPool<short>.Shared.Rent(Positions * m.ContextChannels);
            Mean = ArrayPool<short>.Shared.Rent(Positions * m.Channels);
            Index = ArrayPool<byte>.Shared.Rent(Positions * m.Channels);
            var bias = m.ScaleBias(rate);
            var group = m.Channels / 4;
            ScaleBias = [.. Enumerable.Range(0, EntropyModel.Steps).Select(k => Enumerable.Range(0, m.Channels)
                .Select(i => bias[((k + (i / group)) % 4 * group) + (i % group)]).ToArray())];
        }

        public int Height { get; }

        public int Width { get; }

        public int Positions { get; }

        public short[] Hyper { get; }

        public short[] Hidden { get; }

        public short[] Mean { get; }

        public byte[] Index { get; }

        /// <summary>By step, in the order of the set's entries.</summary>
        public int[][] ScaleBias { get; }

        public void Dispose()
        {
            ArrayPool<short>.Shared.Return(Hyper);
            ArrayPool<short>.Shared.Return(Hidden);
            ArrayPool<short>.Shared.Return(Mean);
            ArrayPool<byte>.Shared.Return(Index);
        }
    }

    private EntropyModel Model => model;
}
