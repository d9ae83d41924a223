using Npgsql;

namespace ImageSearch.Catalog.Lexical;

/// <summary>Applies changes to the rows of lexical_terms and lexical_blocks: set-based, in the caller's transaction, under the merge lock.</summary>
internal sealed class TermMerge(NpgsqlConnection connection)
{
    private readonly List<(string Lexeme, int Block, byte[] Data)> written = [];
    private readonly List<(string Lexeme, int Block)> dropped = [];

    /// <param name="changes">Distinct lexemes, each with its changed postings by ascending image id; frequency 0 removes.</param>
    public async Task ApplyAsync(IReadOnlyList<(string Lexeme, List<Posting> Postings)> changes, CancellationToken ct)
    {
        var terms = await ReadTermsAsync([.. changes.Select(c => c.Lexeme)], ct);
        var blocks = await ReadBlocksAsync(changes, terms, ct);

        List<string> lexemes = [], gone = [];
        List<int> counts = [];
        List<byte[]> directories = [], opens = [];
        foreach (var (lexeme, postings) in changes)
        {
            var (closed, open) = terms.TryGetValue(lexeme, out var t) ? t : ([], []);
            var (entries, rest) = Merge(lexeme, closed, open, postings, blocks);
            var df = entries.Sum(e => e.Count) + rest.Length;
            if (df == 0)
            {
                gone.Add(lexeme);
                continue;
            }

            lexemes.Add(lexeme);
            counts.Add(df);
            directories.Add(TermDirectory.Encode(entries));
            opens.Add(PostingBlock.Encode(rest));
        }

        await using var batch = new NpgsqlBatch(connection)
        {
            Timeout = 0,
            BatchCommands =
            {
                new("DELETE FROM lexical_terms WHERE lexeme = ANY ($1)") { Parameters = { new() { Value = gone.ToArray() } } },
                new("""
                    INSERT INTO lexical_terms (lexeme, df, directory, open) SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[], $4::bytea[])
                    ON CONFLICT (lexeme) DO UPDATE SET df = excluded.df, directory = excluded.directory, open = excluded.open
                    """)
                {
                    Parameters = { new() { Value = lexemes.ToArray() }, new() { Value = counts.ToArray() }, new() { Value = directories.ToArray() }, new() { Value = opens.ToArray() } },
                },
                new("DELETE FROM lexical_blocks AS b USING unnest($1::text[], $2::int[]) AS d (lexeme, block) WHERE b.lexeme = d.lexeme AND b.block = d.block")
                {
                    Parameters = { new() { Value = dropped.Select(d => d.Lexeme).ToArray() }, new() { Value = dropped.Select(d => d.Block).ToArray() } },
                },
                new("""
                    INSERT INTO lexical_blocks (lexeme, block, data) SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[])
                    ON CONFLICT (lexeme, block) DO UPDATE SET data = excluded.data
                    """)
                {
                    Parameters = { new() { Value = written.Select(w => w.Lexeme).ToArray() }, new() { Value = written.Select(w => w.Block).ToArray() }, new() { Value = written.Select(w => w.Data).ToArray() } },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private (List<BlockEntry> Closed, Posting[] Open) Merge(
        string lexeme, List<BlockEntry> closed, Posting[] open, List<Posting> changes, Dictionary<(string, int), byte[]> blocks)
    {
        List<BlockEntry> entries = new(closed.Count + 1);
        var next = closed.Count == 0 ? 0 : closed.Max(e => e.Number) + 1;
        var from = 0;
        foreach (var entry in closed)
        {
            var to = from;
            while (to < changes.Count && changes[to].ImageId <= entry.Last)
            {
                to++;
            }

            if (to == from)
            {
                entries.Add(entry);
                continue;
            }

            var postings = Union(PostingBlock.Decode(blocks[(lexeme, entry.Number)]), changes[from..to]);
            from = to;
            if (postings.Length == 0)
            {
                dropped.Add((lexeme, entry.Number));
            }

            for (var (start, part) = (0, 0); start < postings.Length; part++)
            {
                var size = postings.Length <= PostingBlock.MaxSize ? postings.Length : Math.Min(PostingBlock.Size, postings.Length - start);
                entries.Add(Write(lexeme, part == 0 ? entry.Number : next++, postings[start..(start + size)]));
                start += size;
            }
        }

        open = Union(open, changes[from..]);
        var at = 0;
        for (; open.Length - at >= PostingBlock.Size; at += PostingBlock.Size)
        {
            entries.Add(Write(lexeme, next++, open[at..(at + PostingBlock.Size)]));
        }

        return (entries, open[at..]);
    }

    private BlockEntry Write(string lexeme, int number, Posting[] postings)
    {
        written.Add((lexeme, number, PostingBlock.Encode(postings)));
        return BlockEntry.Of(number, postings);
    }

    /// <summary>Both by ascending image id; a change takes the place of the posting with its id, and is left out with frequency 0.</summary>
    private static Posting[] Union(Posting[] postings, List<Posting> changes)
    {
        List<Posting> result = new(postings.Length + changes.Count);
        var i = 0;
        foreach (var change in changes)
        {
            while (i < postings.Length && postings[i].ImageId < change.ImageId)
            {
                result.Add(postings[i++]);
            }

            if (i < postings.Length && postings[i].ImageId == change.ImageId)
            {
                i++;
            }

            if (change.Frequency > 0)
            {
                result.Add(change);
            }
        }

        result.AddRange(postings.AsSpan(i));
        return [.. result];
    }

    private async Task<Dictionary<string, (List<BlockEntry> Closed, Posting[] Open)>> ReadTermsAsync(string[] lexemes, CancellationToken ct)
    {
        Dictionary<string, (List<BlockEntry>, Posting[])> terms = new(StringComparer.Ordinal);
        await using var command = new NpgsqlCommand("SELECT lexeme, directory, open FROM lexical_terms WHERE lexeme = ANY ($1)", connection) { Parameters = { new() { Value = lexemes } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            terms.Add(reader.GetString(0), (TermDirectory.Decode(reader.GetFieldValue<byte[]>(1)), PostingBlock.Decode(reader.GetFieldValue<byte[]>(2))));
        }

        return terms;
    }

    /// <summary>The closed blocks that changes fall into: few, since new images have the highest ids.</summary>
    private async Task<Dictionary<(string, int), byte[]>> ReadBlocksAsync(
        IReadOnlyList<(string Lexeme, List<Posting> Postings)> changes, Dictionary<string, (List<BlockEntry> Closed, Posting[] Open)> terms, CancellationToken ct)
    {
        Dictionary<(string, int), byte[]> blocks = [];
        List<string> lexemes = [];
        List<int> numbers = [];
        foreach (var (lexeme, postings) in changes)
        {
            if (!terms.TryGetValue(lexeme, out var term))
            {
                continue;
            }

            var i = 0;
            foreach (var entry in term.Closed)
            {
                var touched = false;
                for (; i < postings.Count && postings[i].ImageId <= entry.Last; i++)
                {
                    touched = true;
                }

                if (touched)
                {
                    lexemes.Add(lexeme);
                    numbers.Add(entry.Number);
                }
            }
        }

        if (lexemes.Count == 0)
        {
            return blocks;
        }

        await using var command = new NpgsqlCommand("""
            SELECT b.lexeme, b.block, b.data FROM unnest($1::text[], $2::int[]) AS w (lexeme, block) JOIN lexical_blocks AS b ON b.lexeme = w.lexeme AND b.block = w.block
            """, connection)
        { Parameters = { new() { Value = lexemes.ToArray() }, new() { Value = numbers.ToArray() } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            blocks.Add((reader.GetString(0), reader.GetInt32(1)), reader.GetFieldValue<byte[]>(2));
        }

        return blocks;
    }
}
