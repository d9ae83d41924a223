using ImageSearch.Benchmarks.Index;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Evaluation;
using Npgsql;

namespace ImageSearch.Cli.Evaluation;

/// <summary>
/// What crops bring to the word search: BM25 over the stored texts of the whole picture, of the crops, and of both, each in a database of its own that holds this set alone. Words of
/// keys and descriptions are left out, so that only the captioner speaks.
/// </summary>
public static class TextVariants
{
    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(NpgsqlDataSource db, string server, StoredSet stored, IReadOnlyList<EvaluationQuery> queries, CancellationToken ct)
    {
        if (queries.Count == 0)
        {
            return [];
        }

        var images = await VectorVariants.ImagesAsync(db, stored, ct);
        var captions = new CaptionCatalog(db);
        Dictionary<long, IReadOnlyList<RegionText>> texts = [];
        foreach (var image in images.Values.Distinct())
        {
            texts[image] = (await captions.FindAsync(image, ct))?.Regions ?? [];
        }

        List<Measurement> measured = [];
        foreach (var (leg, takes) in new (string, Func<RegionText, bool>)[]
        {
            ("words, whole picture and crops", _ => true), ("words, whole picture only", r => r.Region == 0), ("words, crops only", r => r.Region > 0),
        })
        {
            if (texts.Values.Any(t => t.Any(takes)))
            {
                measured.Add(StoredVariants.Of(queries[0].Kind, leg, await JudgeAsync(server, images, texts.ToDictionary(t => t.Key, t => Document([.. t.Value.Where(takes)])), queries, ct)));
            }
        }

        return measured;
    }

    private static async Task<List<Judgement>> JudgeAsync(
        string server, IReadOnlyDictionary<string, long> images, Dictionary<long, LexicalDocument> documents, IReadOnlyList<EvaluationQuery> queries, CancellationToken ct)
    {
        await using var scratch = await ScratchDatabase.CreateAsync(server, ct);
        var index = new LexicalIndex(scratch.Db, new LexicalOptions());
        await scratch.ExecuteAsync($"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 1, 1, 1 FROM generate_series(1, {documents.Count}) AS i ORDER BY i", ct);
        Dictionary<long, long> ids = [];
        await using (var connection = await scratch.Db.OpenConnectionAsync(ct))
        await using (var transaction = await connection.BeginTransactionAsync(ct))
        {
            foreach (var (image, document) in documents)
            {
                ids[image] = ids.Count + 1;
                await index.SetDocumentAsync(connection, transaction, ids[image], document, ct);
            }

            await transaction.CommitAsync(ct);
        }

        List<Judgement> judged = [];
        foreach (var query in queries)
        {
            var relevant = query.Relevant.Where(images.ContainsKey).Select(n => ids[images[n]]).ToHashSet();
            if (relevant.Count > 0)
            {
                var hits = await index.SearchAsync(LexicalQuery.Parse(RetrievalTasks.Plain(query.Text!)), RetrievalTasks.Depth, ct: ct);
                judged.Add(Judgement.Of(hits.Select(h => h.ImageId), relevant));
            }
        }

        return judged;
    }

    // The captioner's own way of making a document of its texts.
    private static LexicalDocument Document(IReadOnlyList<RegionText> texts) => new(
        [.. texts.SelectMany(t => t.Tags).Distinct()], texts.FirstOrDefault(t => t.Region == 0)?.Caption ?? "",
        [.. texts.Where(t => t.Region > 0 && t.Caption.Length > 0).Select(t => t.Caption)], "");
}
