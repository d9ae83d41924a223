using Npgsql;

namespace ImageSearch.Catalog.Lexical;

public sealed partial class LexicalIndex
{
    private const long MergeLock = 0x6c65_7869_6361_6c00;
    private const int MergeBatch = 10_000, RowsPerStatement = 4_000;

    /// <summary>Moves up to 10,000 pending documents from the tail into the blocks, in one transaction: queries see the state before or
    /// after, with the same scores, and wait for nothing. A writer of the very same images waits. One process merges at a time.</summary>
    /// <returns>How many documents were merged; 0 also when another process is merging.</returns>
    public async Task<int> MergeAsync(CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        int merged;
        await using (var transaction = await connection.BeginTransactionAsync(ct))
        {
            if (!await TryLockAsync(connection, ct))
            {
                return 0;
            }

            var (images, documents, length) = await LockPendingAsync(connection, ct);
            merged = images.Length;
            if (merged == 0)
            {
                return 0;
            }

            var changes = await TakeTailAsync(connection, images, ct);
            foreach (var chunk in changes.Chunk(RowsPerStatement))
            {
                await new TermMerge(connection).ApplyAsync(chunk, ct);
            }

            await ExecuteAsync(connection, "UPDATE lexical_statistics SET documents = documents + $1, length = length + $2", ct, documents, length);
            await ExecuteAsync(connection, "DELETE FROM lexical_pending WHERE image_id = ANY ($1)", ct, images);
            await transaction.CommitAsync(ct);
        }

        // The tail lives and dies fast: without this its dead rows cost every query until autovacuum comes.
        await ExecuteAsync(connection, "VACUUM (TRUNCATE false, SKIP_LOCKED) lexical_tail", ct);
        await ExecuteAsync(connection, "VACUUM (TRUNCATE false, SKIP_LOCKED) lexical_pending", ct);
        return merged;
    }

    /// <summary>Merges whenever enough documents are pending or the oldest has waited long enough (see the options), until cancelled.
    /// Every process may run it.</summary>
    /// <param name="failed">Told of a failed round; the next one follows after a pause.</param>
    public async Task MergeLoopAsync(Action<Exception> failed, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (!ct.IsCancellationRequested)
        {
            try
            {
                while (await DueAsync(ct) && await MergeAsync(ct) > 0)
                {
                }

                await timer.WaitForNextTickAsync(ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or InvalidDataException or TimeoutException)
            {
                failed(e);
                await Task.Delay(TimeSpan.FromSeconds(5), ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<bool> DueAsync(CancellationToken ct)
    {
        await using var command = db.CreateCommand("SELECT count(*) >= $1 OR coalesce(min(since) < now() - $2, false) FROM lexical_pending");
        command.Parameters.Add(new() { Value = (long)options.MergeDocuments });
        command.Parameters.Add(new() { Value = options.MergeAge });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    private static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_xact_lock($1)", connection) { Parameters = { new() { Value = MergeLock } } };
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Ids of the pending images that no writer holds, and what they change in the totals of the blocks.</summary>
    private static async Task<(long[] Images, long Documents, long Length)> LockPendingAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        List<long> images = [];
        long documents = 0, total = 0;
        await using var command = new NpgsqlCommand(
            $"SELECT image_id, merged_length, length FROM lexical_pending ORDER BY image_id LIMIT {MergeBatch} FOR UPDATE SKIP LOCKED", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            images.Add(reader.GetInt64(0));
            int? before = reader.IsDBNull(1) ? null : reader.GetInt32(1), after = reader.IsDBNull(2) ? null : reader.GetInt32(2);
            documents += (after is null ? 0 : 1) - (before is null ? 0 : 1);
            total += (after ?? 0) - (before ?? 0);
        }

        return ([.. images], documents, total);
    }

    /// <summary>Takes the images' postings out of the tail: per lexeme, by ascending image id; frequency 0 takes the posting out of the blocks.</summary>
    private static async Task<List<(string Lexeme, List<Posting> Postings)>> TakeTailAsync(NpgsqlConnection connection, long[] images, CancellationToken ct)
    {
        List<(string Lexeme, List<Posting> Postings)> changes = [];
        await using var command = new NpgsqlCommand("""
            WITH taken AS (
                DELETE FROM lexical_tail AS t USING unnest($1::bigint[]) AS i (image_id) WHERE t.image_id = i.image_id
                RETURNING t.lexeme, t.image_id, t.tf, t.length, t.tagged)
            SELECT * FROM taken ORDER BY lexeme, image_id
            """, connection)
        { Parameters = { new() { Value = images } }, CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var lexeme = reader.GetString(0);
            if (changes.Count == 0 || changes[^1].Lexeme != lexeme)
            {
                changes.Add((lexeme, []));
            }

            changes[^1].Postings.Add(new(reader.GetInt64(1), reader.GetInt32(2), reader.GetInt32(3), reader.GetBoolean(4)));
        }

        return changes;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        await command.ExecuteNonQueryAsync(ct);
    }
}
