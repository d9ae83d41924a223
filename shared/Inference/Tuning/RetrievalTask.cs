using System.Numerics.Tensors;

namespace ImageSearch.Inference.Tuning;

/// <summary>
/// Text to picture search with known answers: each pair is a query whose picture is to be found among a gallery. Other pictures that have the same text are neither right nor wrong
/// and are left out of its ranking.
/// </summary>
internal sealed class RetrievalTask
{
    private readonly IReadOnlyList<TuningPair> queries;
    private readonly ILookup<string, long> paired;
    private readonly List<StoredPicture> gallery;
    private readonly Dictionary<long, int> position;

    /// <param name="queries">Their pictures are part of the gallery.</param>
    /// <param name="distractors">Other pictures.</param>
    /// <param name="known">All pairs, of which some distractors may be part.</param>
    public RetrievalTask(IReadOnlyList<TuningPair> queries, IEnumerable<StoredPicture> distractors, IEnumerable<TuningPair> known)
    {
        this.queries = queries;
        paired = known.ToLookup(p => p.TextKey, p => p.Image);
        gallery = [.. queries.Select(q => new StoredPicture(q.Image, q.Picture)).Concat(distractors).DistinctBy(p => p.Image)];
        position = gallery.Index().ToDictionary(p => p.Item.Image, p => p.Index);
    }

    public int GallerySize => gallery.Count;

    /// <returns>The rank of each query's picture, from 1. Equal scores count against it.</returns>
    public int[] Ranks(LinearCorrection? correction)
    {
        var vectors = correction is null ? [.. gallery.Select(p => p.Vector)] : gallery.Select(p => correction.Apply(p.Vector)).ToArray();
        var scores = new float[vectors.Length];
        return [.. queries.Select(query =>
        {
            for (var i = 0; i < vectors.Length; i++)
            {
                scores[i] = TensorPrimitives.Dot<float>(query.TextVector, vectors[i]);
            }

            var own = scores[position[query.Image]];
            foreach (var image in paired[query.TextKey])
            {
                if (position.TryGetValue(image, out var i))
                {
                    scores[i] = float.NegativeInfinity;
                }
            }

            return 1 + scores.Count(s => s >= own);
        })];
    }

    public static double MeanReciprocalRank(IEnumerable<int> ranks) => ranks.Average(r => 1.0 / r);
}
