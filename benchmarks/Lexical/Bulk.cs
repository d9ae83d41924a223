using ImageSearch.Catalog.Lexical;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Benchmarks.Lexical;

/// <summary>Fills lexical_documents with the text that single writes would have made, without their postings: RebuildAsync makes these.</summary>
internal static class Bulk
{
    private const int Streams = 2, Round = 100_000;

    // Half a word: the default weights are 2, 1, 0.5 and 1.
    private static readonly int[] DefaultUnits = [4, 2, 1, 2];

    public static Task FillAsync(NpgsqlDataSource db, Captions captions, int count, LexicalOptions options) =>
        Task.WhenAll(Enumerable.Range(0, Streams).Select(s => Task.Run(() => FillPartAsync(db, captions, 1 + (int)((long)count * s / Streams), (int)((long)count * (s + 1) / Streams), options))));

    /// <summary>Fills terms and blocks alone, without lexical_documents: ten times faster, for sizes where only the search is measured.</summary>
    public static async Task FillPostingsAsync(NpgsqlDataSource db, Captions captions, int count)
    {
        var random = new Random(1);
        long total = 0;
        await using var connection = await db.OpenConnectionAsync();
        for (var first = 1; first <= count; first += Round)
        {
            Dictionary<string, List<Posting>> postings = [];
            for (var id = first; id <= Math.Min(count, first + Round - 1); id++)
            {
                var (words, length) = captions.Frequencies(random, DefaultUnits);
                total += length;
                foreach (var (word, (frequency, tagged)) in words)
                {
                    if (!postings.TryGetValue(word, out var list))
                    {
                        postings.Add(word, list = []);
                    }

                    list.Add(new(id, frequency, length, tagged));
                }
            }

            foreach (var chunk in postings.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => (p.Key, p.Value)).Chunk(4_000))
            {
                await new TermMerge(connection).ApplyAsync(chunk, default);
            }

            await using var vacuum = new NpgsqlCommand("VACUUM lexical_terms", connection);
            await vacuum.ExecuteNonQueryAsync();
        }

        await using var statistics = new NpgsqlCommand("UPDATE lexical_statistics SET documents = $1, length = $2", connection)
        {
            Parameters = { new() { Value = (long)count }, new() { Value = total } },
        };
        await statistics.ExecuteNonQueryAsync();
    }

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

        await using var insert = new NpgsqlCommand("""
            INSERT INTO lexical_documents (image_id, length, text)
            SELECT f.id, (SELECT sum(lexical_frequency(t.weights, $2)) FROM unnest(f.text) AS t), f.text
            FROM (SELECT id, lexical_text($1::text::regconfig, tags, caption, crops, name) AS text FROM filling OFFSET 0) AS f
            """, connection)
        { Parameters = { new() { Value = options.Language }, new() { Value = DefaultUnits } } };
        await insert.ExecuteNonQueryAsync();
    }
}
