using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>Text of one region; the rectangle is given as shares of the picture's width and height.</summary>
/// <param name="Region">0 is the whole picture, 1 and up its crops.</param>
public sealed record RegionText(
    short Region, float X, float Y, float Width, float Height, string[] Tags, string Caption, int PromptTokens = 0, int CompletionTokens = 0, float Milliseconds = 0);

/// <summary>All texts of one image from one captioner.</summary>
/// <param name="Captioner">For instance <c>tagger:lic-adapter/1</c> or <c>mllm:llava:7b</c>.</param>
public sealed record ImageTexts(long Image, string Captioner, string PromptVersion, IReadOnlyList<RegionText> Regions);

/// <summary>The texts of each image. Written by captioner only.</summary>
public sealed class CaptionCatalog(NpgsqlDataSource db)
{
    /// <summary>The image's present texts; null if it has none.</summary>
    public async Task<ImageTexts?> FindAsync(long image, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT captioner, prompt_version, region, x, y, w, h, tags, caption, prompt_tokens, completion_tokens, milliseconds
            FROM captions WHERE image_id = $1 ORDER BY region
            """);
        command.Parameters.Add(new() { Value = image });
        List<RegionText> regions = [];
        var (captioner, version) = ("", "");
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            (captioner, version) = (reader.GetString(0), reader.GetString(1));
            regions.Add(new(
                reader.GetInt16(2), reader.GetFloat(3), reader.GetFloat(4), reader.GetFloat(5), reader.GetFloat(6), reader.GetFieldValue<string[]>(7), reader.GetString(8),
                reader.GetInt32(9), reader.GetInt32(10), reader.GetFloat(11)));
        }

        return regions.Count == 0 ? null : new(image, captioner, version, regions);
    }

    /// <summary>
    /// Replaces the image's texts, and lets <paramref name="index"/> update the lexical index in the same transaction.
    /// </summary>
    /// <returns>False if the image is gone; nothing is stored then.</returns>
    public async Task<bool> StoreAsync(ImageTexts texts, Func<NpgsqlConnection, NpgsqlTransaction, Task> index, CancellationToken ct = default)
    {
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);

        // The lock makes two replicas that caption one image write one after the other.
        await using (var exists = new NpgsqlCommand("SELECT 1 FROM images WHERE id = $1 FOR NO KEY UPDATE", connection) { Parameters = { new() { Value = texts.Image } } })
        {
            if (await exists.ExecuteScalarAsync(ct) is null)
            {
                return false;
            }
        }

        await using (var clear = new NpgsqlCommand("DELETE FROM captions WHERE image_id = $1", connection) { Parameters = { new() { Value = texts.Image } } })
        {
            await clear.ExecuteNonQueryAsync(ct);
        }

        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var r in texts.Regions)
        {
            var command = new NpgsqlBatchCommand("""
                INSERT INTO captions (image_id, region, x, y, w, h, captioner, prompt_version, tags, caption, prompt_tokens, completion_tokens, milliseconds)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                """);
            foreach (var value in (object[])[texts.Image, r.Region, r.X, r.Y, r.Width, r.Height, texts.Captioner, texts.PromptVersion, r.Tags, r.Caption, r.PromptTokens, r.CompletionTokens, r.Milliseconds])
            {
                command.Parameters.Add(new() { Value = value });
            }

            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(ct);
        await index(connection, transaction);
        await transaction.CommitAsync(ct);
        return true;
    }
}
