using System.Numerics;
using ImageSearch.Models;

namespace ImageSearch.Compression;

/// <summary>
/// Frozen probability tables. Each covers consecutive values first .. first + n - 1 and, as its last entry, an escape for everything
/// outside; frequencies are at least 1 and sum to 65,536. Checked once when the model is loaded, trusted afterwards.
/// </summary>
internal sealed class FrequencyTables
{
    private const int TotalBits = 16;

    /// <summary>Values behind the escape are at most this far beyond the table: 16 bits of Exp-Golomb.</summary>
    private const int MaxEscapeBits = 15;

    private readonly int[] _offset;
    private readonly int[] _first;
    private readonly int[] _length;
    private readonly uint[] _cumulative;
    private readonly ushort[] _lookup;

    /// <param name="tables">First value and frequencies of each table, the escape last.</param>
    /// <exception cref="ModelException">A table is not a distribution of 65,536.</exception>
    public FrequencyTables(IReadOnlyList<(int First, ushort[] Frequencies)> tables)
    {
        _offset = new int[tables.Count];
        _first = new int[tables.Count];
        _length = new int[tables.Count];
        _cumulative = new uint[tables.Sum(t => t.Frequencies.Length + 1)];
        _lookup = new ushort[tables.Count * 256];
        MinimumBits = new double[tables.Count];
        var at = 0;
        for (var t = 0; t < tables.Count; t++)
        {
            var (first, f) = tables[t];
            if (f.Length is < 2 or > 4096 || first is < -4096 or > 4096 || f.Contains((ushort)0) || f.Sum(v => (long)v) != 1 << TotalBits)
            {
                throw new ModelException($"Probability table {t} is not a distribution of 65,536 over at least one value and an escape.");
            }

            (_offset[t], _first[t], _length[t]) = (at, first, f.Length);
            for (var i = 0; i < f.Length; i++)
            {
                _cumulative[at + i + 1] = _cumulative[at + i] + f[i];
            }

            for (int b = 0, i = 0; b < 256; b++)
            {
                while (_cumulative[at + i + 1] <= b << 8)
                {
                    i++;
                }

                _lookup[(t << 8) + b] = (ushort)i;
            }

            MinimumBits[t] = TotalBits - Math.Log2(f.Max());
            at += f.Length + 1;
        }
    }

    /// <summary>Bits of the likeliest value of each table: what a symbol costs at the very least.</summary>
    public double[] MinimumBits { get; }

    /// <summary>Information content of a value in bits, escape code included.</summary>
    public double Bits(int table, int value)
    {
        var i = value - _first[table];
        var escape = _length[table] - 1;
        var outside = (uint)i >= (uint)escape;
        var at = _offset[table] + (outside ? escape : i);
        var payload = outside ? 2 + (2 * BitOperations.Log2((uint)(i < 0 ? -i : i - escape + 1))) : 0;
        return TotalBits - Math.Log2(_cumulative[at + 1] - _cumulative[at]) + payload;
    }

    public void Encode(RangeEncoder coder, int table, int value)
    {
        var i = value - _first[table];
        var escape = _length[table] - 1;
        if ((uint)i < (uint)escape)
        {
            var at = _offset[table] + i;
            coder.Put(_cumulative[at], _cumulative[at + 1] - _cumulative[at], TotalBits);
            return;
        }

        var e = _offset[table] + escape;
        coder.Put(_cumulative[e], _cumulative[e + 1] - _cumulative[e], TotalBits);
        var below = i < 0;
        var v = (uint)(below ? -i : i - escape + 1);
        coder.Put(below ? 1u : 0u, 1, 1);
        var n = BitOperations.Log2(v);
        for (var k = 0; k < n; k++)
        {
            coder.Put(0, 1, 1);
        }

        coder.Put(1, 1, 1);
        if (n > 0)
        {
            coder.Put(v - (1u << n), 1, n);
        }
    }

    public int Decode(ref RangeDecoder coder, int table)
    {
        var offset = _offset[table];
        var v = coder.Peek(TotalBits);
        int i = _lookup[(table << 8) + (int)(v >> 8)];
        while (_cumulative[offset + i + 1] <= v)
        {
            i++;
        }

        coder.Take(_cumulative[offset + i], _cumulative[offset + i + 1] - _cumulative[offset + i]);
        return i < _length[table] - 1 ? _first[table] + i : DecodeEscape(ref coder, table);
    }

    private int DecodeEscape(ref RangeDecoder coder, int table)
    {
        var below = TakeBits(ref coder, 1) == 1;
        var n = 0;
        while (TakeBits(ref coder, 1) == 0)
        {
            if (++n > MaxEscapeBits)
            {
                throw new LicFormatException(LicError.Corrupt, "An escape code is longer than any that an encoder writes.");
            }
        }

        var v = (1 << n) + (n > 0 ? (int)TakeBits(ref coder, n) : 0);
        return below ? _first[table] - v : _first[table] + _length[table] - 2 + v;
    }

    private static uint TakeBits(ref RangeDecoder coder, int bits)
    {
        var v = coder.Peek(bits);
        coder.Take(v, 1);
        return v;
    }
}
