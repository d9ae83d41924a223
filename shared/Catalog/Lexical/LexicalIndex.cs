using Npgsql;

namespace ImageSearch.Catalog.Lexical;

/// <summary>
/// Exact BM25 in PostgreSQL: posting blocks with score bounds for what is merged, a tail of single postings for what is not. A
/// document is searchable as soon as its transaction commits, and N, df and the average length are those of the query's snapshot.
/// One instance per process; safe for concurrent use. Formula, layout and query language: docs/bm25.md.
/// </summary>
public sealed partial class LexicalIndex(NpgsqlDataSource db, LexicalOptions options)
{
    private readonly int[] units = [.. options.Hundredths().Select(w => w / options.Unit())];
    private readonly double unit = options.Unit() / 100.0;
    private readonly WordLexemes words = new(options.Language);
    private volatile bool settled;

    public LexicalOptions Options => options;

    /// <summary>Indexes the text of an image in place of what was there; the change commits with the caller's transaction. The same
    /// document again changes nothing.</summary>
    /// <exception cref="PostgresException">23503: there is no such image.</exception>
    /// <exception cref="InvalidOperationException">The index was made with another language or other field weights.</exception>
    public async Task SetDocumentAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, long imageId, LexicalDocument document, CancellationToken ct = default)
    {
        await SettleAsync(ct);
        await using var command = new NpgsqlCommand("SELECT lexical_set($1, $2::text::regconfig, $3, $4, $5, $6, $7)", connection, transaction)
        {
            Parameters =
            {
                new() { Value = imageId },
                new() { Value = options.Language },
                new() { Value = units },
                new() { Value = Normalised(document.Tags) },
                new() { Value = LexicalText.Normalise(document.Caption) },
                new() { Value = Normalised(document.CropCaptions) },
                new() { Value = LexicalText.Normalise(document.Name) },
            },
        };
        await command.PrepareAsync(ct);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Takes an image out of the index; nothing happens when it is not in. Deleting the row of <c>images</c> does the same.</summary>
    public async Task RemoveAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, long imageId, CancellationToken ct = default)
    {
        await using var command = new NpgsqlCommand("DELETE FROM lexical_documents WHERE image_id = $1", connection, transaction) { Parameters = { new() { Value = imageId } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task<LexicalStatistics> StatisticsAsync(CancellationToken ct = default)
    {
        await using var reader = await LexicalReader.OpenAsync(db, ct);
        var (documents, length, pending, _) = await reader.TermsAsync([], ct);
        return new(documents, Formula(documents, length).AverageLength, pending);
    }

    private Bm25 Formula(long documents, long length) => new(documents, length, unit, options.K1, options.B);

    private static string[] Normalised(IReadOnlyList<string> texts)
    {
        var result = new List<string>(texts.Count);
        var length = 0;
        foreach (var text in texts)
        {
            var normalised = LexicalText.Normalise(text);
            if ((length += normalised.Length) > LexicalText.MaxLength)
            {
                break;
            }

            result.Add(normalised);
        }

        return [.. result];
    }

    /// <summary>Checks once that the stored postings were made with these settings; an index without documents takes them over.</summary>
    private async Task SettleAsync(CancellationToken ct)
    {
        if (settled)
        {
            return;
        }

        await using var connection = await db.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand("""
            INSERT INTO lexical_settings AS s (language, weights) VALUES ($1::text::regconfig::text, $2)
            ON CONFLICT (one) DO UPDATE SET language = excluded.language, weights = excluded.weights
            WHERE (s.language, s.weights) <> (excluded.language, excluded.weights)
              AND NOT EXISTS (SELECT FROM lexical_documents) AND NOT EXISTS (SELECT FROM lexical_pending)
            """, connection)
        {
            Parameters = { new() { Value = options.Language }, new() { Value = options.Hundredths() } },
        };
        await command.ExecuteNonQueryAsync(ct);

        await using var check = new NpgsqlCommand("SELECT language, weights FROM lexical_settings WHERE language <> $1::text::regconfig::text OR weights <> $2", connection)
        {
            Parameters = { new() { Value = options.Language }, new() { Value = options.Hundredths() } },
        };
        await using var reader = await check.ExecuteReaderAsync(ct);
        if (await reader.ReadAsync(ct))
        {
            throw new InvalidOperationException(
                $"The lexical index was made with language {reader.GetString(0)} and field weights {string.Join(", ", reader.GetFieldValue<int[]>(1).Select(w => w / 100m))}. "
                + "Use these, or rebuild the index for other weights, or clear it and index all texts again for another language.");
        }

        settled = true;
    }
}
