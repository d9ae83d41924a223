using System.Data;
using Npgsql;

namespace ImageSearch.Catalog.Lexical;

/// <summary>What the database holds about one lexeme: closed blocks by directory, the open block, and the tail's postings.</summary>
internal sealed record TermPostings(long Df, List<BlockEntry> Closed, Posting[] Open, Posting[] Tail, HashSet<long>? Masked);

/// <summary>One consistent view of the index: a read-only transaction in one snapshot. Statements are prepared once per connection.</summary>
internal sealed class LexicalReader : IAsyncDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly NpgsqlTransaction transaction;

    private LexicalReader(NpgsqlConnection connection, NpgsqlTransaction transaction) => (this.connection, this.transaction) = (connection, transaction);

    public static async Task<LexicalReader> OpenAsync(NpgsqlDataSource db, CancellationToken ct)
    {
        var connection = await db.OpenConnectionAsync(ct);
        try
        {
            return new(connection, await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    /// <summary>Lexemes of each text by the text search configuration; none for stop words.</summary>
    public async Task<string[][]> AnalyseAsync(string language, IReadOnlyList<string> texts, CancellationToken ct)
    {
        var result = texts.Select(_ => new List<string>()).ToArray();
        await using var command = Command("""
            SELECT w.i::int - 1, l.lexeme
            FROM unnest($1::text[]) WITH ORDINALITY AS w (word, i), unnest(tsvector_to_array(to_tsvector($2::text::regconfig, w.word))) AS l (lexeme)
            """, texts.ToArray(), language);
        await using var reader = await PreparedAsync(command, ct);
        while (await reader.ReadAsync(ct))
        {
            result[reader.GetInt32(0)].Add(reader.GetString(1));
        }

        return [.. result.Select(l => l.ToArray())];
    }

    /// <summary>Indexed lexemes that start with the prefix, the most frequent first.</summary>
    public async Task<string[]> ExpandAsync(string prefix, int limit, CancellationToken ct)
    {
        List<string> lexemes = [];
        await using var command = Command("""
            SELECT lexeme FROM (
                SELECT lexeme, df FROM lexical_terms WHERE lexeme >= $1 AND lexeme < $2
                UNION ALL
                SELECT lexeme, (tf > 0)::int - merged::int FROM lexical_tail WHERE lexeme >= $1 AND lexeme < $2
            ) AS t GROUP BY lexeme HAVING sum(df) > 0 ORDER BY sum(df) DESC, lexeme LIMIT $3
            """, prefix, prefix + "\U0010FFFF", limit);
        await using var reader = await PreparedAsync(command, ct);
        while (await reader.ReadAsync(ct))
        {
            lexemes.Add(reader.GetString(0));
        }

        return [.. lexemes];
    }

    /// <summary>Number of documents, sum of their lengths in units, number of pending ones; then the lexemes' postings in their order.</summary>
    public async Task<(long Documents, long Length, long Pending, TermPostings[] Terms)> TermsAsync(IReadOnlyList<string> lexemes, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new("""
                    SELECT s.documents + p.documents, s.length + p.length, p.pending
                    FROM lexical_statistics AS s, (
                        SELECT coalesce(sum((length IS NOT NULL)::int - (merged_length IS NOT NULL)::int), 0)::bigint AS documents,
                               coalesce(sum(coalesce(length, 0) - coalesce(merged_length, 0)), 0)::bigint AS length, count(*) AS pending
                        FROM lexical_pending) AS p
                    """),
                new("SELECT lexeme, df, directory, open FROM lexical_terms WHERE lexeme = ANY ($1)") { Parameters = { new() { Value = lexemes.ToArray() } } },
                new("SELECT lexeme, image_id, tf, length, tagged, merged FROM lexical_tail WHERE lexeme = ANY ($1)") { Parameters = { new() { Value = lexemes.ToArray() } } },
            },
        };
        await batch.PrepareAsync(ct);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        var (documents, length, pending) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));

        await reader.NextResultAsync(ct);
        Dictionary<string, (long Df, List<BlockEntry> Closed, Posting[] Open)> merged = [];
        while (await reader.ReadAsync(ct))
        {
            merged.Add(reader.GetString(0), (reader.GetInt32(1), TermDirectory.Decode(reader.GetFieldValue<byte[]>(2)), PostingBlock.Decode(reader.GetFieldValue<byte[]>(3))));
        }

        await reader.NextResultAsync(ct);
        Dictionary<string, (List<Posting> Postings, HashSet<long>? Masked)> tail = [];
        while (await reader.ReadAsync(ct))
        {
            var lexeme = reader.GetString(0);
            var (postings, masked) = tail.TryGetValue(lexeme, out var t) ? t : ([], null);
            var p = new Posting(reader.GetInt64(1), reader.GetInt32(2), reader.GetInt32(3), reader.GetBoolean(4));
            if (p.Frequency > 0)
            {
                postings.Add(p);
            }

            if (reader.GetBoolean(5))
            {
                (masked ??= []).Add(p.ImageId);
            }

            tail[lexeme] = (postings, masked);
        }

        return (documents, length, pending, [.. lexemes.Select(l =>
        {
            var (df, closed, open) = merged.TryGetValue(l, out var m) ? m : (0, [], []);
            var (postings, masked) = tail.TryGetValue(l, out var t) ? t : ([], null);
            postings.Sort((a, b) => a.ImageId.CompareTo(b.ImageId));
            return new TermPostings(df + postings.Count - (masked?.Count ?? 0), closed, open, [.. postings], masked);
        })]);
    }

    /// <summary>Loads the given closed blocks (indices in the cursor's order) of each cursor, in one round trip.</summary>
    public async Task LoadAsync(IReadOnlyList<(PostingCursor Cursor, IReadOnlyCollection<int>? Blocks)> wanted, CancellationToken ct)
    {
        List<(PostingCursor Cursor, Dictionary<int, int> Indices)> loads = [];
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var (cursor, blocks) in wanted)
        {
            var missing = cursor.Missing().Where(m => blocks is null || blocks.Contains(m.Index)).ToDictionary(m => m.Number, m => m.Index);
            if (missing.Count == 0)
            {
                continue;
            }

            loads.Add((cursor, missing));
            batch.BatchCommands.Add(missing.Count == cursor.Closed
                ? new("SELECT block, data FROM lexical_blocks WHERE lexeme = $1") { Parameters = { new() { Value = cursor.Lexeme } } }
                : new("SELECT block, data FROM lexical_blocks WHERE lexeme = $1 AND block = ANY ($2)")
                {
                    Parameters = { new() { Value = cursor.Lexeme }, new() { Value = missing.Keys.ToArray() } },
                });
        }

        if (loads.Count == 0)
        {
            return;
        }

        await batch.PrepareAsync(ct);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        foreach (var (cursor, indices) in loads)
        {
            while (await reader.ReadAsync(ct))
            {
                if (indices.TryGetValue(reader.GetInt32(0), out var index))
                {
                    cursor.Load(index, reader.GetFieldValue<byte[]>(1));
                }
            }

            await reader.NextResultAsync(ct);
        }
    }

    /// <summary>Which of the images hold the phrase (its words in their order and distance; among the tags only).</summary>
    public async Task<HashSet<long>> WithPhraseAsync(string language, string phrase, bool tagOnly, IReadOnlyList<long> images, CancellationToken ct)
    {
        HashSet<long> result = [];
        await using var command = Command("""
            SELECT image_id FROM lexical_documents
            WHERE image_id = ANY ($1) AND (CASE WHEN $4 THEN ts_filter(text, '{a}') ELSE text END) @@ phraseto_tsquery($2::text::regconfig, $3)
            """, images.ToArray(), language, phrase, tagOnly);
        await using var reader = await PreparedAsync(command, ct);
        while (await reader.ReadAsync(ct))
        {
            result.Add(reader.GetInt64(0));
        }

        return result;
    }

    /// <summary>Weighted length of the document in units and, per lexeme that it holds, how often each field (tags, caption, crop
    /// captions, name) does; null when the image is not indexed.</summary>
    public async Task<(int Length, Dictionary<string, int[]> Counts)?> DocumentAsync(long imageId, IReadOnlyList<string> lexemes, CancellationToken ct)
    {
        await using var command = Command("""
            SELECT d.length, t.lexeme, array_to_string(t.weights, '')
            FROM lexical_documents AS d LEFT JOIN LATERAL unnest(d.text) AS t ON t.lexeme = ANY ($2) WHERE d.image_id = $1
            """, imageId, lexemes.ToArray());
        await using var reader = await PreparedAsync(command, ct);
        int? length = null;
        Dictionary<string, int[]> counts = [];
        while (await reader.ReadAsync(ct))
        {
            length = reader.GetInt32(0);
            if (!reader.IsDBNull(1))
            {
                var fields = reader.GetString(2);
                counts.Add(reader.GetString(1), [.. "ABCD".Select(f => fields.Count(c => c == f))]);
            }
        }

        return length is null ? null : (length.Value, counts);
    }

    private NpgsqlCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection, transaction);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        return command;
    }

    private static async Task<NpgsqlDataReader> PreparedAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await command.PrepareAsync(ct);
        return await command.ExecuteReaderAsync(ct);
    }
}
