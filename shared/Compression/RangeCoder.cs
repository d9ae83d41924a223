// Range coder. Gotchas first:
// - Carry: `low` may overflow 48 bits by exactly one; the carry runs back through bytes already written, past any run of 0xFF. It can
//   never run out of the first byte, because low + range <= 2^48 held before every step (the code is a number below 1).
// - The decoder must do exactly the encoder's arithmetic: r = range >> bits first, then the products. Never (range * f) >> bits.
// - The part of `range` above r << bits belongs to no symbol. A valid stream never points there, so a decoder that finds itself there
//   reports damage.
// - FIFO: both sides loop forward over the symbols. Nothing is buffered but the bytes.
// - The encoder ends with the fewest bytes that name a number inside the last interval; the decoder reads zeros behind the end, but at
//   most six: a stream that wants more is truncated, so damage can never make the decoder run on for long.
// Reference: G. N. N. Martin, "Range encoding", 1979. 48 bits of state instead of 32, because with 16-bit frequencies a 32-bit coder
// loses up to 0.35 % on streams full of nearly certain symbols (measured); here the loss is below 10^-6 bits a symbol.
namespace ImageSearch.Compression;

/// <summary>Writes symbols as intervals of a number in [0, 1).</summary>
internal sealed class RangeEncoder
{
    internal const ulong Top = 1UL << 48;
    internal const ulong Bottom = 1UL << 40;

    private byte[] _bytes = new byte[4096];
    private int _count;
    private ulong _low;
    private ulong _range = Top;

    /// <summary>Codes an interval of [0, 2^bits). Invariant on entry and exit: Bottom &lt;= range &lt;= Top, low &lt; Top.</summary>
    /// <param name="start">First value of the interval.</param>
    /// <param name="frequency">Length of the interval, at least 1.</param>
    /// <param name="bits">1 to 16.</param>
    public void Put(uint start, uint frequency, int bits)
    {
        var r = _range >> bits;
        _low += r * start;
        _range = r * frequency;
        if (_low >= Top)
        {
            _low -= Top;
            var i = _count - 1;
            while (_bytes[i] == 0xFF)
            {
                _bytes[i--] = 0;
            }

            _bytes[i]++;
        }

        while (_range < Bottom)
        {
            Write((byte)(_low >> 40));
            _low = (_low << 8) & (Top - 1);
            _range <<= 8;
        }
    }

    /// <summary>Ends the stream. The encoder cannot be used afterwards.</summary>
    public byte[] Finish()
    {
        // The fewest leading bytes of a number v with low <= v < low + range when zeros follow.
        for (var bytes = 0; bytes <= 6; bytes++)
        {
            var unit = 1UL << (48 - (8 * bytes));
            var v = (_low + unit - 1) & ~(unit - 1);
            if (v < _low + _range)
            {
                // v may be 2^48 or above: then it carries into the bytes already written, as in Put.
                var carry = v >= Top;
                v &= Top - 1;
                for (var i = _count - 1; carry; i--)
                {
                    carry = ++_bytes[i] == 0;
                }

                for (var b = 0; b < bytes; b++)
                {
                    Write((byte)(v >> (40 - (8 * b))));
                }

                break;
            }
        }

        return _bytes[.._count];
    }

    private void Write(byte b)
    {
        if (_count == _bytes.Length)
        {
            Array.Resize(ref _bytes, checked(_count * 2));
        }

        _bytes[_count++] = b;
    }
}

/// <summary>Reads what <see cref="RangeEncoder"/> wrote. A struct over a span: no allocation, every read bounds-checked.</summary>
internal ref struct RangeDecoder
{
    /// <summary>Zeros that may be read behind the end: the bytes that the encoder's last interval leaves out.</summary>
    private const int MaxVirtual = 6;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private ulong _code;
    private ulong _range = RangeEncoder.Top;
    private ulong _unit;

    public RangeDecoder(ReadOnlySpan<byte> bytes)
    {
        _bytes = bytes;
        for (var i = 0; i < 6; i++)
        {
            _code = (_code << 8) | Next();
        }
    }

    /// <summary>The value in [0, 2^bits) that the code points to; must be followed by <see cref="Take"/> with the interval around it.</summary>
    public uint Peek(int bits)
    {
        _unit = _range >> bits;
        var v = _code / _unit;
        return v >> bits == 0 ? (uint)v : throw new LicFormatException(LicError.Corrupt, "The entropy-coded data point outside every symbol.");
    }

    /// <summary>Removes the interval; mirrors <see cref="RangeEncoder.Put"/>.</summary>
    public void Take(uint start, uint frequency)
    {
        _code -= _unit * start;
        _range = _unit * frequency;
        while (_range < RangeEncoder.Bottom)
        {
            _code = (_code << 8) | Next();
            _range <<= 8;
        }
    }

    /// <summary>Every byte must have been used; otherwise the stream is not one that an encoder writes.</summary>
    public readonly void Finish()
    {
        if (_position < _bytes.Length)
        {
            throw new LicFormatException(LicError.Corrupt, $"{_bytes.Length - _position} bytes follow the last symbol.");
        }
    }

    private byte Next()
    {
        if (_position < _bytes.Length)
        {
            return _bytes[_position++];
        }

        return _position++ < _bytes.Length + MaxVirtual ? (byte)0
            : throw new LicFormatException(LicError.Truncated, "The entropy-coded data end before the last symbol.");
    }
}
