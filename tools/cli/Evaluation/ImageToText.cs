using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Evaluation;
using ImageSearch.Inference;
using Npgsql;

namespace ImageSearch.Cli.Evaluation;

/// <summary>
/// From a picture to its captions. The system stores no captions to search among, so that the ranking is made here: the vectors that the
/// system stored for the pictures, against the captions under the same model's text encoder.
/// </summary>
public static class ImageToText
{
    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(NpgsqlDataSource db, StoredSet stored, CancellationToken ct)
    {
        var captions = stored.Set.Of(QueryKind.Caption).Select(q => (Text: q.Text!, Picture: q.Relevant.Single())).ToArray();
        if (captions.Length == 0 || (await new EmbeddingCatalog(db).ModelsAsync(ct)).FirstOrDefault(m => m.State == "active") is not { } active)
        {
            return [];
        }

        using var model = EmbeddingModel.Open(CliSettings.Models, active.Name);
        var texts = captions.Chunk(64).SelectMany(c => model.Text.Encode([.. c.Select(q => q.Text)])).ToArray();
        var images = new ImageReader(db);
        List<Judgement> judged = [];
        foreach (var (name, id) in stored.Ids)
        {
            if (await images.FindAsync(id, ct) is not { } image || !(await new VectorSearch(db).VectorsAsync(active, [image], ct)).TryGetValue(image, out var vector))
            {
                continue;
            }

            var right = Enumerable.Range(0, captions.Length).Where(i => captions[i].Picture == name).ToHashSet();
            if (right.Count > 0)
            {
                judged.Add(Judgement.Of(Enumerable.Range(0, captions.Length).OrderByDescending(i => TensorPrimitives.Dot<float>(vector, texts[i])).ToArray(), right));
            }
        }

        return [new("picture to caption", FusionGate.Dense, judged.Count, Scores.OneRight(judged))];
    }
}
