namespace ImageSearch.Catalog.Lexical;

/// <summary>A closed block of a term: its number in lexical_blocks, its id range, and the pairs (frequency, length) that no other
/// posting of it beats in both. Whatever k1, b and the average length, the block's highest score belongs to one of the pairs.</summary>
internal sealed record BlockEntry(int Number, long First, long Last, int Count, (int Frequency, int Length)[] Frontier)
{
    private const int MaxPairs = 4;

    public static BlockEntry Of(int number, ReadOnlySpan<Posting> postings) =>
        new(number, postings[0].ImageId, postings[^1].ImageId, postings.Length, FrontierOf(postings));

    /// <summary>By falling frequency and falling length; past four pairs the last one stands for the rest, as an upper bound.</summary>
    public static (int Frequency, int Length)[] FrontierOf(ReadOnlySpan<Posting> postings)
    {
        // Shortest length per frequency; frequencies are few and small, so a sorted list does.
        var shortest = new SortedList<int, int>();
        foreach (var p in postings)
        {
            if (!shortest.TryGetValue(p.Frequency, out var length) || p.Length < length)
            {
                shortest[p.Frequency] = p.Length;
            }
        }

        List<(int Frequency, int Length)> pairs = [];
        for (var i = shortest.Count - 1; i >= 0; i--)
        {
            var (frequency, length) = (shortest.Keys[i], shortest.Values[i]);
            if (pairs.Count == 0 || length < pairs[^1].Length)
            {
                if (pairs.Count == MaxPairs)
                {
                    pairs[^1] = (pairs[^1].Frequency, length);
                }
                else
                {
                    pairs.Add((frequency, length));
                }
            }
        }

        return [.. pairs];
    }
}

/// <summary>The closed blocks of a term by ascending id range, as bytes in lexical_terms.directory.</summary>
internal static class TermDirectory
{
    public static byte[] Encode(IReadOnlyList<BlockEntry> blocks)
    {
        if (blocks.Count == 0)
        {
            return [];
        }

        var bytes = new VarintWriter(blocks.Count * 14);
        var previous = 0L;
        foreach (var block in blocks)
        {
            bytes.Write((ulong)block.Number);
            bytes.Write((ulong)(block.First - previous));
            bytes.Write((ulong)(block.Last - block.First));
            bytes.Write((ulong)block.Count);
            bytes.Write((ulong)block.Frontier.Length);
            foreach (var (frequency, length) in block.Frontier)
            {
                bytes.Write((ulong)frequency);
                bytes.Write((ulong)length);
            }

            previous = block.Last;
        }

        return bytes.ToArray();
    }

    /// <exception cref="InvalidDataException">The bytes are no directory.</exception>
    public static List<BlockEntry> Decode(ReadOnlySpan<byte> bytes)
    {
        List<BlockEntry> blocks = [];
        var reader = new VarintReader(bytes);
        var previous = 0L;
        while (!reader.AtEnd)
        {
            var number = (int)reader.Read();
            var first = previous + (long)reader.Read();
            var last = first + (long)reader.Read();
            var count = (int)reader.Read();
            var pairs = reader.Read();
            if (pairs > (ulong)bytes.Length)
            {
                throw new InvalidDataException("A term directory names more pairs than it has bytes.");
            }

            var frontier = new (int, int)[(int)pairs];
            for (var i = 0; i < frontier.Length; i++)
            {
                frontier[i] = ((int)reader.Read(), (int)reader.Read());
            }

            blocks.Add(new(number, first, last, count, frontier));
            previous = last;
        }

        return blocks;
    }
}
