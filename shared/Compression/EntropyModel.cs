using System.Buffers.Binary;
using ImageSearch.Models;

namespace ImageSearch.Compression;

/// <summary>The integer networks and tables of one model: the contents of entropy.bin (docs/bitstream.md, section 6).</summary>
internal sealed class EntropyModel
{
    public const int Steps = 4;
    public const int RatePoints = 6;
    public const int Scales = 64;
    public const int LogEntries = 4096;

    /// <summary>Highest value of a rate, which counts 1/256 of a rate point.</summary>
    public const int MaxRate = (RatePoints - 1) << 8;

    private readonly int[] _scaleBias;

    /// <param name="file">Contents of entropy.bin.</param>
    /// <exception cref="ModelException">The file is not a valid entropy model.</exception>
    public EntropyModel(byte[] file)
    {
        var r = new Reader(file);
        if (r.U32() != 0x4543494C || r.U16() != 1)
        {
            throw new ModelException("entropy.bin does not start with LICE version 1.");
        }

        Channels = r.U16();
        ZChannels = r.U16();
        var layers = new IntegerLayer[r.U16()];
        if (layers.Length != 3 + (4 * Steps) || r.U16() != RatePoints || r.U16() != Scales || Channels % 16 != 0)
        {
            throw new ModelException("entropy.bin has other dimensions than this version of the code reads.");
        }

        for (var i = 0; i < layers.Length; i++)
        {
            var (depthwise, width, inputs, outputs) = (r.U8() == 1, r.U8(), r.U16(), r.U16());
            var shift = r.Bytes(outputs).ToArray();
            var bias = Array.ConvertAll(new int[outputs], _ => (int)r.U32());
            var weights = Array.ConvertAll(new short[inputs * outputs], _ => width == 1 ? (sbyte)r.U8() : (short)r.U16());
            layers[i] = new IntegerLayer(depthwise, inputs, outputs, weights, bias, shift);
        }

        _scaleBias = Array.ConvertAll(new int[RatePoints * Channels], _ => (int)r.U32());
        Log = Array.ConvertAll(new short[r.U16()], _ => (short)r.U16());
        if (Log.Length != LogEntries || Log.Any(v => v is < 0 or > IntegerLayer.InputLimit) || _scaleBias.Any(b => Math.Abs((long)b) > 4096))
        {
            throw new ModelException("entropy.bin: a table holds values outside its range.");
        }

        ScaleTables = new(Tables(Scales));
        ZTables = new(Tables(ZChannels));
        if (!r.AtEnd)
        {
            throw new ModelException("entropy.bin is longer than its contents.");
        }

        (HyperIn, HyperDepthwise, HyperOut) = (layers[0], layers[1], layers[2]);
        ContextIn = [.. Enumerable.Range(0, Steps).Select(k => layers[3 + (4 * k)])];
        ContextDepthwise = [.. Enumerable.Range(0, Steps).Select(k => layers[4 + (4 * k)])];
        ContextMix = [.. Enumerable.Range(0, Steps).Select(k => layers[5 + (4 * k)])];
        ContextOut = [.. Enumerable.Range(0, Steps).Select(k => layers[6 + (4 * k)])];
        CheckShapes();

        List<(int, ushort[])> Tables(int count)
        {
            var tables = new List<(int, ushort[])>();
            for (var t = 0; t < count; t++)
            {
                var first = (short)r.U16();
                tables.Add((first, Array.ConvertAll(new ushort[r.U16()], _ => (ushort)r.U16())));
            }

            return tables;
        }
    }

    /// <summary>Channels of y, a multiple of 16.</summary>
    public int Channels { get; }

    /// <summary>Channels of z.</summary>
    public int ZChannels { get; }

    /// <summary>Channels of the hyper-synthesis output.</summary>
    public int HyperChannels => HyperOut.Outputs;

    /// <summary>Hidden channels of the context networks.</summary>
    public int ContextChannels => ContextDepthwise[0].Outputs;

    public IntegerLayer HyperIn { get; }

    public IntegerLayer HyperDepthwise { get; }

    public IntegerLayer HyperOut { get; }

    public IntegerLayer[] ContextIn { get; }

    public IntegerLayer[] ContextDepthwise { get; }

    public IntegerLayer[] ContextMix { get; }

    public IntegerLayer[] ContextOut { get; }

    /// <summary>log(1 + |y|) with 8 fraction bits, by |y| in 1/16, saturating at 256.</summary>
    public short[] Log { get; }

    public FrequencyTables ScaleTables { get; }

    public FrequencyTables ZTables { get; }

    /// <summary>Scale-index bias per channel, 4 fraction bits, interpolated between rate points.</summary>
    public int[] ScaleBias(int rate)
    {
        var i = Math.Min(rate >> 8, RatePoints - 2);
        var f = rate - (i << 8);
        var bias = new int[Channels];
        for (var c = 0; c < Channels; c++)
        {
            bias[c] = ((_scaleBias[(i * Channels) + c] * (256 - f)) + (_scaleBias[((i + 1) * Channels) + c] * f) + 128) >> 8;
        }

        return bias;
    }

    /// <summary>
    /// Bytes that the entropy-coded data of a grid of y positions must have at the very least. Far fewer than any real stream, enough to refuse
    /// a header that claims a giant picture over a handful of bytes before anything is allocated for it.
    /// </summary>
    public long MinimumBytes(long positions)
    {
        var z = positions / 16.0 * ZTables.MinimumBits.Sum();
        var y = positions * (double)Channels * ScaleTables.MinimumBits.Min();
        return Math.Max(0, (long)((z + y) / 8) - 8);
    }

    private void CheckShapes()
    {
        var ok = HyperIn.Inputs == ZChannels && HyperIn.Outputs == 4 * HyperDepthwise.Outputs && HyperOut.Inputs == HyperDepthwise.Outputs;
        for (var k = 0; k < Steps; k++)
        {
            ok &= ContextIn[k].Inputs == HyperOut.Outputs + (2 * Channels * k) && ContextIn[k].Outputs == ContextChannels
                && ContextDepthwise[k].Outputs == ContextChannels && ContextMix[k].Inputs == ContextChannels
                && ContextMix[k].Outputs == ContextChannels && ContextOut[k].Inputs == ContextChannels && ContextOut[k].Outputs == 2 * Channels;
        }

        if (!ok)
        {
            throw new ModelException("entropy.bin: the shapes of its layers do not fit together.");
        }
    }

    private sealed class Reader(byte[] data)
    {
        private int _at;

        public bool AtEnd => _at == data.Length;

        public ReadOnlySpan<byte> Bytes(int count)
        {
            if (count > data.Length - _at)
            {
                throw new ModelException("entropy.bin is cut short.");
            }

            _at += count;
            return data.AsSpan(_at - count, count);
        }

        public byte U8() => Bytes(1)[0];

        public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

        public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));
    }
}
