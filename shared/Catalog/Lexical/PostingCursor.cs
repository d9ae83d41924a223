namespace ImageSearch.Catalog.Lexical;

/// <summary>
/// Walks one lexeme's postings by ascending image id, decoding a block only when it must look inside. A lexeme has up to two cursors:
/// one over the blocks, with the postings that the tail overrides masked out, and one over the tail.
/// </summary>
internal sealed class PostingCursor
{
    public const long End = long.MaxValue;

    private readonly Bm25 bm25;
    private readonly BlockEntry[] blocks;
    private readonly byte[]?[] data;
    private readonly double[] maxima;
    private readonly Posting[]? open;          // postings of the last block, already decoded
    private readonly HashSet<long>? masked;
    private Posting[] postings = [];
    private Posting[] buffer = new Posting[PostingBlock.MaxSize];
    private int count, position, block = -1, shallow;

    public PostingCursor(int term, string lexeme, double idf, in Bm25 bm25, IReadOnlyList<BlockEntry> closed, Posting[] open, HashSet<long>? masked)
    {
        (Term, Lexeme, Idf, this.bm25, this.masked) = (term, lexeme, idf, bm25, masked);
        Closed = closed.Count;
        blocks = open.Length > 0 ? [.. closed, BlockEntry.Of(-1, open)] : [.. closed];
        this.open = open.Length > 0 ? open : null;
        data = new byte[blocks.Length][];
        maxima = new double[blocks.Length];
        for (var i = 0; i < blocks.Length; i++)
        {
            foreach (var (frequency, length) in blocks[i].Frontier)
            {
                maxima[i] = Math.Max(maxima[i], bm25.Score(idf, frequency, length));
            }

            Maximum = Math.Max(Maximum, maxima[i]);
            Count += blocks[i].Count;
        }
    }

    /// <summary>Index of the lexeme in the query.</summary>
    public int Term { get; }

    public string Lexeme { get; }

    public double Idf { get; }

    /// <summary>No posting scores higher.</summary>
    public double Maximum { get; }

    /// <summary>Postings, masked ones included.</summary>
    public int Count { get; }

    /// <summary>Number of closed blocks, whose bytes come from lexical_blocks.</summary>
    public int Closed { get; }

    /// <summary>Current image id; <see cref="End"/> past the last posting.</summary>
    public long ImageId { get; private set; } = End;

    public bool Tagged => postings[position].Tagged;

    public double Score => bm25.Score(Idf, postings[position].Frequency, postings[position].Length);

    public IEnumerable<(int Index, int Number)> Missing() =>
        Enumerable.Range(0, Closed).Where(i => data[i] is null).Select(i => (i, blocks[i].Number));

    public bool Loaded => Array.IndexOf(data, null, 0, Closed) < 0;

    public int BlockNumber(int index) => blocks[index].Number;

    public void Load(int index, byte[] bytes) => data[index] = bytes;

    /// <summary>Index of the closed block to load before <paramref name="imageId"/> can be looked up; -1 when there is none.</summary>
    public int MissingBlockOf(long imageId)
    {
        Shallow(imageId);
        return shallow < Closed && blocks[shallow].First <= imageId && data[shallow] is null ? shallow : -1;
    }

    public void Reset()
    {
        (block, shallow, count, position) = (-1, 0, 0, 0);
        ImageId = -1;
        Seek(0);
    }

    /// <summary>Back to the start for <see cref="Bound"/> and <see cref="MissingBlockOf"/> only.</summary>
    public void ResetShallow() => shallow = 0;

    /// <summary>Highest score at <paramref name="imageId"/> and up to the returned end. Ids ask in ascending order.</summary>
    public double Bound(long imageId, out long end)
    {
        Shallow(imageId);
        if (shallow == blocks.Length)
        {
            end = End;
            return 0;
        }

        if (blocks[shallow].First > imageId)
        {
            end = blocks[shallow].First - 1;
            return 0;
        }

        end = blocks[shallow].Last;
        return maxima[shallow];
    }

    public void Next()
    {
        position++;
        Settle();
    }

    /// <summary>Moves to the first posting at or after <paramref name="imageId"/>. Blocks that are not loaded are passed over: the
    /// evaluation leaves out only such as cannot matter.</summary>
    public void Seek(long imageId)
    {
        if (ImageId >= imageId)
        {
            return;
        }

        if (block < 0 || blocks[block].Last < imageId)
        {
            Shallow(imageId);
            var next = Math.Max(shallow, block + 1);
            Enter(next);
            if (block == blocks.Length)
            {
                return;
            }
        }

        int low = position, high = count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (postings[middle].ImageId < imageId)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        position = low;
        Settle();
    }

    private void Settle()
    {
        while (true)
        {
            for (; position < count; position++)
            {
                if (masked is null || !masked.Contains(postings[position].ImageId))
                {
                    ImageId = postings[position].ImageId;
                    return;
                }
            }

            if (block == blocks.Length)
            {
                return;
            }

            Enter(block + 1);
        }
    }

    private void Enter(int next)
    {
        while (next < Closed && data[next] is null)
        {
            next++;
        }

        (block, position, count) = (next, 0, 0);
        if (next >= blocks.Length)
        {
            block = blocks.Length;
            ImageId = End;
        }
        else if (next < Closed)
        {
            count = PostingBlock.Decode(data[next], ref buffer);
            postings = buffer;
        }
        else
        {
            postings = open!;
            count = open!.Length;
        }
    }

    private void Shallow(long imageId)
    {
        if (shallow < blocks.Length && blocks[shallow].Last < imageId)
        {
            // Gallop, then bisect: neighbours are the common case, far jumps the expensive one.
            int step = 1, low = shallow + 1;
            while (low + step < blocks.Length && blocks[low + step].Last < imageId)
            {
                low += step + 1;
                step *= 2;
            }

            var high = Math.Min(low + step, blocks.Length);
            while (low < high)
            {
                var middle = (low + high) >>> 1;
                if (blocks[middle].Last < imageId)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            shallow = low;
        }
    }
}
