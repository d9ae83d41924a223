using Npgsql;

namespace ImageSearch.Catalog.Lexical;

public sealed partial class LexicalIndex
{
    private const int PostingsPerRound = 4_000_000;

    /// <summary>Makes all postings anew from the stored documents with the field weights of these options. Writers wait until it is done,
    /// queries do not: they see the old index until the new one commits. Processes that still run with other weights must be restarted.</summary>
    /// <exception cref="InvalidOperationException">The documents were made with another language.</exception>
    public async Task RebuildAsync(CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using (var transaction = await connection.BeginTransactionAsync(ct))
        {
            await EmptyAsync(connection, ct);
            await AdoptWeightsAsync(connection, ct);
            long last = long.MinValue, documents = 0, length = 0;
            while (true)
            {
                Dictionary<string, List<Posting>> postings = new(StringComparer.Ordinal);
                var read = await ReadDocumentsAsync(connection, last, postings, ct);
                if (read.Documents == 0)
                {
                    break;
                }

                (last, documents, length) = (read.Last, documents + read.Documents, length + read.Length);
                foreach (var chunk in postings.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => (p.Key, p.Value)).Chunk(RowsPerStatement))
                {
                    await new TermMerge(connection).ApplyAsync(chunk, ct);
                }
            }

            await ExecuteAsync(connection, "UPDATE lexical_statistics SET documents = $1, length = $2", ct, documents, length);
            await transaction.CommitAsync(ct);
        }

        settled = false;
        await ExecuteAsync(connection, "VACUUM (ANALYZE, TRUNCATE false) lexical_terms", ct);
        await ExecuteAsync(connection, "VACUUM (ANALYZE, TRUNCATE false) lexical_blocks", ct);
        await ExecuteAsync(connection, "VACUUM (TRUNCATE false) lexical_tail", ct);
    }

    /// <summary>Takes every document out and forgets language and weights.</summary>
    public async Task ClearAsync(CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await EmptyAsync(connection, ct);
        await ExecuteAsync(connection, "ALTER TABLE lexical_documents DISABLE TRIGGER lexical_removed", ct);
        await ExecuteAsync(connection, "DELETE FROM lexical_documents", ct);
        await ExecuteAsync(connection, "ALTER TABLE lexical_documents ENABLE TRIGGER lexical_removed", ct);
        await ExecuteAsync(connection, "DELETE FROM lexical_settings", ct);
        await ExecuteAsync(connection, "UPDATE lexical_statistics SET documents = 0, length = 0", ct);
        await transaction.CommitAsync(ct);
        settled = false;
    }

    /// <summary>Waits for writers and merger, keeps them out until the transaction ends, and deletes blocks and tail.</summary>
    private static async Task EmptyAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await ExecuteAsync(connection, "LOCK TABLE lexical_documents IN SHARE ROW EXCLUSIVE MODE", ct);
        await ExecuteAsync(connection, "SELECT pg_advisory_xact_lock($1)", ct, MergeLock);
        foreach (var table in new[] { "lexical_terms", "lexical_blocks", "lexical_tail", "lexical_pending" })
        {
            await ExecuteAsync(connection, $"DELETE FROM {table}", ct);
        }
    }

    private async Task AdoptWeightsAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await ExecuteAsync(connection, "INSERT INTO lexical_settings (language, weights) VALUES ($1::text::regconfig::text, $2) ON CONFLICT DO NOTHING",
            ct, options.Language, options.Hundredths());
        await using var stored = new NpgsqlCommand("SELECT language = $1::text::regconfig::text, weights = $2 FROM lexical_settings FOR UPDATE", connection)
        {
            Parameters = { new() { Value = options.Language }, new() { Value = options.Hundredths() } },
        };
        bool sameLanguage, sameWeights;
        await using (var reader = await stored.ExecuteReaderAsync(ct))
        {
            await reader.ReadAsync(ct);
            (sameLanguage, sameWeights) = (reader.GetBoolean(0), reader.GetBoolean(1));
        }

        if (!sameLanguage)
        {
            throw new InvalidOperationException("The documents were made with another language: clear the index and index all texts again.");
        }

        if (!sameWeights)
        {
            await ExecuteAsync(connection, "UPDATE lexical_settings SET weights = $1", ct, options.Hundredths());
            await ExecuteAsync(connection, """
                UPDATE lexical_documents AS d SET length = (SELECT coalesce(sum(lexical_frequency(t.weights, $1)), 0) FROM unnest(d.text) AS t)
                """, ct, units);
        }
    }

    private async Task<(long Last, long Documents, long Length)> ReadDocumentsAsync(
        NpgsqlConnection connection, long after, Dictionary<string, List<Posting>> postings, CancellationToken ct)
    {
        long last = after, documents = 0, total = 0;
        await using var command = new NpgsqlCommand("""
            SELECT d.image_id, d.length, t.lexemes, t.frequencies, t.tagged
            FROM lexical_documents AS d, LATERAL (
                SELECT array_agg(l.lexeme) AS lexemes, array_agg(lexical_frequency(l.weights, $2)) AS frequencies, array_agg('A' = ANY (l.weights)) AS tagged
                FROM unnest(d.text) AS l) AS t
            WHERE d.image_id > $1 ORDER BY d.image_id LIMIT 100000
            """, connection)
        { Parameters = { new() { Value = after }, new() { Value = units } }, CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        for (var count = 0; count < PostingsPerRound && await reader.ReadAsync(ct);)
        {
            last = reader.GetInt64(0);
            documents++;
            var length = reader.GetInt32(1);
            total += length;
            if (reader.IsDBNull(2))
            {
                continue;   // no lexeme at all
            }

            var (lexemes, frequencies, tagged) = (reader.GetFieldValue<string[]>(2), reader.GetFieldValue<int[]>(3), reader.GetFieldValue<bool[]>(4));
            count += lexemes.Length;
            for (var i = 0; i < lexemes.Length; i++)
            {
                if (!postings.TryGetValue(lexemes[i], out var list))
                {
                    postings.Add(lexemes[i], list = []);
                }

                list.Add(new(last, frequencies[i], length, tagged[i]));
            }
        }

        return (last, documents, total);
    }
}
