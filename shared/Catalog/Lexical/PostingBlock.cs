namespace ImageSearch.Catalog.Lexical;

/// <summary>One document under one lexeme.</summary>
/// <param name="Frequency">Weighted frequency in units of the index.</param>
/// <param name="Length">Weighted length of the document in the same units.</param>
internal readonly record struct Posting(long ImageId, int Frequency, int Length, bool Tagged);

/// <summary>
/// Postings by ascending image id as bytes: the count, then per posting the id's distance from the one before, frequency * 2 + tagged,
/// and the length; all unsigned LEB128 varints. Roughly 4 bytes per posting.
/// </summary>
internal static class PostingBlock
{
    /// <summary>Postings in a closed block when it is made; it may grow by half before it is split.</summary>
    public const int Size = 256, MaxSize = Size + Size / 2;

    public static byte[] Encode(ReadOnlySpan<Posting> postings)
    {
        if (postings.IsEmpty)
        {
            return [];
        }

        var bytes = new VarintWriter(postings.Length * 5 + 16);
        bytes.Write((ulong)postings.Length);
        var previous = 0L;
        foreach (var p in postings)
        {
            bytes.Write((ulong)(p.ImageId - previous));
            bytes.Write(((ulong)p.Frequency << 1) | (p.Tagged ? 1u : 0u));
            bytes.Write((ulong)p.Length);
            previous = p.ImageId;
        }

        return bytes.ToArray();
    }

    public static Posting[] Decode(ReadOnlySpan<byte> bytes)
    {
        Posting[] result = [];
        return Decode(bytes, ref result) == result.Length ? result : throw new InvalidOperationException("A new buffer fits exactly.");
    }

    /// <summary>Decodes into the buffer, which grows when it must; returns the number of postings.</summary>
    /// <exception cref="InvalidDataException">The bytes are no posting block.</exception>
    public static int Decode(ReadOnlySpan<byte> bytes, ref Posting[] buffer)
    {
        if (bytes.IsEmpty)
        {
            return 0;
        }

        var reader = new VarintReader(bytes);
        var count = reader.Read();
        if (count > (ulong)bytes.Length)
        {
            throw new InvalidDataException("A posting block names more postings than it has bytes.");
        }

        if (buffer.Length < (int)count)
        {
            buffer = new Posting[(int)count];
        }

        var id = 0L;
        for (var i = 0; i < (int)count; i++)
        {
            id += (long)reader.Read();
            var frequency = reader.Read();
            buffer[i] = new(id, (int)(frequency >> 1), (int)reader.Read(), (frequency & 1) != 0);
        }

        return (int)count;
    }
}

internal struct VarintWriter(int capacity)
{
    private byte[] bytes = new byte[capacity];
    private int length;

    public void Write(ulong value)
    {
        if (length + 10 > bytes.Length)
        {
            Array.Resize(ref bytes, bytes.Length * 2 + 10);
        }

        for (; value >= 0x80; value >>= 7)
        {
            bytes[length++] = (byte)(value | 0x80);
        }

        bytes[length++] = (byte)value;
    }

    public readonly byte[] ToArray() => bytes[..length];
}

internal ref struct VarintReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> bytes = bytes;
    private int position;

    public readonly bool AtEnd => position >= bytes.Length;

    public ulong Read()
    {
        var result = 0ul;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if ((uint)position >= (uint)bytes.Length)
            {
                break;
            }

            var b = bytes[position++];
            result |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return result;
            }
        }

        throw new InvalidDataException("A posting block ends inside a number.");
    }
}
