using System.Numerics;
using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Evaluation;
using ImageSearch.Hosting;
using ImageSearch.Inference;
using Npgsql;

namespace ImageSearch.Cli.Evaluation;

/// <summary>
/// What the storage of vectors costs: words against the vectors made anew from the bitstreams in single precision, the stored halves, and one bit a dimension (sign of the vector less the
/// mean) with and without ranking the best again by the halves. Every picture of the set is compared, so that no index has a part in it.
/// </summary>
public static class VectorVariants
{
    /// <summary>Pictures that one bit a dimension proposes for ranking again.</summary>
    public const int Candidates = 100;

    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(NpgsqlDataSource db, ObjectStore store, StoredSet stored, IReadOnlyList<EvaluationQuery> queries, CancellationToken ct)
    {
        if (queries.Count == 0 || (await new EmbeddingCatalog(db).ModelsAsync(ct)).FirstOrDefault(m => m.State == "active") is not { } active)
        {
            return [];
        }

        var images = await ImagesAsync(db, stored, ct);
        using var model = EmbeddingModel.Open(CliSettings.Models, active.Name);
        var half = await new VectorSearch(db).VectorsAsync(active, [.. images.Values], ct);
        var single = await EmbedAsync(db, store, model, images.Values, ct);
        var mean = active.Mean ?? Mean(half.Values);
        var bits = half.ToDictionary(v => v.Key, v => Bits(v.Value, mean));
        Dictionary<string, List<Judgement>> judged = [];
        foreach (var query in queries)
        {
            var relevant = query.Relevant.Where(images.ContainsKey).Select(n => images[n]).ToHashSet();
            if (relevant.Count == 0)
            {
                continue;
            }

            var vector = model.Text.EncodeQuery(query.Text!);
            var code = Bits(vector, mean);
            var near = bits.OrderBy(b => Distance(code, b.Value)).ThenBy(b => b.Key).Select(b => b.Key).ToArray();
            foreach (var (leg, ranking) in new (string, IEnumerable<long>)[]
            {
                ("vectors, 32 bit", Ranked(single.Keys, single)), ("vectors, 16 bit as stored", Ranked(half.Keys, half)),
                ("vectors, 1 bit", near), ($"vectors, 1 bit, best {Candidates} again by 16 bit", Ranked(near.Take(Candidates), half)),
            })
            {
                (judged.TryGetValue(leg, out var list) ? list : judged[leg] = []).Add(Judgement.Of(ranking.Take(RetrievalTasks.Depth), relevant));
            }

            IEnumerable<long> Ranked(IEnumerable<long> which, IReadOnlyDictionary<long, float[]> vectors) => which.OrderByDescending(i => TensorPrimitives.Dot<float>(vector, vectors[i])).ToArray();
        }

        return [.. judged.Select(j => StoredVariants.Of(queries[0].Kind, j.Key, j.Value))];
    }

    internal static async Task<IReadOnlyDictionary<string, long>> ImagesAsync(NpgsqlDataSource db, StoredSet stored, CancellationToken ct)
    {
        var reader = new ImageReader(db);
        Dictionary<string, long> images = [];
        foreach (var (name, id) in stored.Ids)
        {
            if (await reader.FindAsync(id, ct) is { } image)
            {
                images[name] = image;
            }
        }

        return images;
    }

    private static async Task<IReadOnlyDictionary<long, float[]>> EmbedAsync(NpgsqlDataSource db, ObjectStore store, EmbeddingModel model, IEnumerable<long> images, CancellationToken ct)
    {
        using var codec = LicCodec.Open(CliSettings.Models);
        var bitstreams = new BitstreamCatalog(db);
        Dictionary<long, float[]> vectors = [];
        foreach (var image in images.Distinct())
        {
            if (await bitstreams.FindAsync(image, ct) is { } row && await store.GetAsync(store.Options.DerivedBucket, row.Key, ct: ct) is var (_, bytes))
            {
                vectors[image] = model.Source == EmbeddingSource.Pixels ? (await model.EmbedPictureAsync(codec.Decode(bytes, ct), ct)).Vector
                    : codec.DecodeLatents(bytes, ct) is var y ? (await model.EmbedLatentsAsync(new(y.Channels, y.Height, y.Width, y.Values, y.Space), ct)).Vector : [];
            }
        }

        return vectors;
    }

    private static float[] Mean(IEnumerable<float[]> vectors)
    {
        var all = vectors.ToArray();
        return [.. Enumerable.Range(0, all[0].Length).Select(i => all.Average(v => v[i]))];
    }

    private static ulong[] Bits(float[] vector, float[] mean)
    {
        var bits = new ulong[(vector.Length + 63) / 64];
        for (var i = 0; i < vector.Length; i++)
        {
            bits[i / 64] |= vector[i] > mean[i] ? 1UL << (i % 64) : 0;
        }

        return bits;
    }

    private static int Distance(ulong[] a, ulong[] b) => a.Zip(b, (x, y) => BitOperations.PopCount(x ^ y)).Sum();
}
