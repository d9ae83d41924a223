using ImageSearch.Catalog.Lexical;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Benchmarks.Lexical;

/// <summary>Fills lexical_documents with the text that single writes would have made, without their postings: RebuildAsync makes these.</summary>
internal static class Bulk
{
    private const int Streams = 2;

    public static Task FillAsync(NpgsqlDataSource db, Captions captions, int count, LexicalOptions options) =>
        Task.WhenAll(Enumerable.Range(0, Streams).Select(s => Task.Run(() => FillPartAsync(db, captions, 1 + (int)((long)count * s / Streams), (int)((long)count * (s + 1) / Streams), options))));

    private static async Task FillPartAsync(NpgsqlDataSource db, Captions captions, int first, int last, LexicalOptions options)
    {
        var random = new Random(first);
        await using var connection = await db.OpenConnectionAsync();
        await using (var create = new NpgsqlCommand("CREATE TEMP TABLE filling (id bigint, tags text[], caption text, crops text[], name text)", connection))
        {
            await create.ExecuteNonQueryAsync();
        }

        await using (var copy = await connection.BeginBinaryImportAsync("COPY filling FROM STDIN (FORMAT binary)"))
        {
            for (var id = first; id <= last; id++)
            {
                var d = captions.Document(random);
                await copy.StartRowAsync();
                await copy.WriteAsync((long)id);
                await copy.WriteAsync(d.Tags.ToArray());
                await copy.WriteAsync(d.Caption, NpgsqlDbType.Text);
                await copy.WriteAsync(d.CropCaptions.ToArray());
                await copy.WriteAsync(d.Name, NpgsqlDbType.Text);
            }

            await copy.CompleteAsync();
        }

        // Units of half a word, as the default weights 2, 1, 0.5 and 1 have.
        await using var insert = new NpgsqlCommand("""
            INSERT INTO lexical_documents (image_id, length, text)
            SELECT f.id, (SELECT sum(lexical_frequency(t.weights, '{4,2,1,2}')) FROM unnest(f.text) AS t), f.text
            FROM (SELECT id, lexical_text($1::text::regconfig, tags, caption, crops, name) AS text FROM filling OFFSET 0) AS f
            """, connection)
        { Parameters = { new() { Value = options.Language } } };
        await insert.ExecuteNonQueryAsync();
    }
}
