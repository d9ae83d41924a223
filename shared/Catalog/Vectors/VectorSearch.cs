using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Npgsql;

namespace ImageSearch.Catalog.Vectors;

public enum VectorScan
{
    /// <summary>The model's index if it is whole, the other kind if only that is; exact where there is none or the collection is small.</summary>
    Automatic,

    /// <summary>Every vector is compared: the reference that HNSW is measured against.</summary>
    Exact,

    /// <summary>HNSW over the half-precision vectors.</summary>
    Hnsw,

    /// <summary>HNSW over the binary codes, ranked again by the half-precision vectors.</summary>
    Binary,
}

/// <param name="Take">Vectors wanted; fewer come back only where fewer pictures pass the filter.</param>
/// <param name="EfSearch">Candidate list of HNSW over vectors, 1 to 1000: more finds more and takes longer.</param>
/// <param name="Candidates">Nearest by binary code that are ranked again, at least <paramref name="Take"/>; <see cref="VectorSearchOptions.CandidatesFor"/> where null.</param>
/// <param name="Filter">Pictures that may come back.</param>
/// <param name="Words">Words that must or must not stand in the pictures' texts.</param>
/// <param name="MaxScanned">Index entries that a filtered scan looks at before it gives up.</param>
/// <param name="ExactBelow">Collections up to this size are scanned exactly.</param>
public sealed record VectorSearchOptions(
    int Take,
    int EfSearch = 200,
    VectorScan Scan = VectorScan.Automatic,
    ImageFilter? Filter = null,
    WordCondition? Words = null,
    int MaxScanned = 40_000,
    int ExactBelow = 2_000,
    int? Candidates = null)
{
    /// <summary>Enough that the re-ranked list is nearly the exact one; measured with benchmarks/Index.</summary>
    public static int CandidatesFor(int take) => Math.Clamp(4 * take, 1000, 4000);

    /// <summary>Entries that the statement takes from the index.</summary>
    internal int Wanted(VectorIndex? index) => index?.Kind == VectorIndexKind.Binary ? Math.Max(Take, Candidates ?? CandidatesFor(Take)) : Take;

    /// <summary>Length of the index's first list (<c>hnsw.ef_search</c>).</summary>
    internal int Listed(VectorIndex? index) => Math.Clamp(index?.Kind == VectorIndexKind.Binary ? Wanted(index) : EfSearch, 1, 1000);
}

/// <param name="Cosine">With the query, -1 to 1.</param>
/// <param name="OtherCosines">With each further vector that was asked for, in its order.</param>
public sealed record VectorHit(long Image, double Cosine, double[] OtherCosines);

/// <summary>Nearest vectors of one model by cosine, from half-precision vectors (pgvector's halfvec) through the partial index that the model has.</summary>
public sealed class VectorSearch(NpgsqlDataSource db)
{
    // A changed index is seen within this time; the statement is right without it too, only slower.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    // Much more than work_mem's share: an iterative scan that runs out of memory stops early without a word.
    private const int ScanMemory = 16;

    private readonly VectorIndexCatalog indexes = new(db);
    private readonly ConcurrentDictionary<(short Model, int Size), bool> large = new();
    private readonly ConcurrentDictionary<short, (IReadOnlyList<VectorIndex> Ready, long At)> known = new();

    /// <summary>The pictures nearest to <paramref name="query"/>, nearest first, ties by surrogate key.</summary>
    /// <param name="model">Vectors of this model are searched; <paramref name="query"/> has its number of dimensions.</param>
    /// <param name="others">Vectors whose cosine with each hit is wanted too, for instance what the picture must not look like.</param>
    public async Task<IReadOnlyList<VectorHit>> SearchAsync(
        RegisteredModel model, float[] query, VectorSearchOptions options, IReadOnlyList<float[]>? others = null, CancellationToken ct = default)
    {
        Check(model, query);
        var index = await ChooseAsync(model, options, ct);
        var narrowed = options.Filter is { } filter && filter != ImageFilter.None || options.Words is { IsOpen: false };

        // Keeping a scan ready to go on costs a sixth more time. Where everything passes, the first list is long enough, unless many of its pictures were just deleted.
        var onwards = narrowed || options.Listed(index) < options.Wanted(index);
        var hits = await ScanAsync(model, query, options, others ?? [], index, onwards, ct);
        if (index is null || hits.Count >= options.Take || (onwards && !narrowed))
        {
            return hits;
        }

        // A scan gives up after MaxScanned entries. Where so few pass the filter, comparing all that pass is cheap.
        return narrowed ? await ScanAsync(model, query, options, others ?? [], null, onwards: false, ct) : await ScanAsync(model, query, options, others ?? [], index, onwards: true, ct);
    }

    /// <summary>Cosines of given pictures with the query; pictures without a vector are left out.</summary>
    public async Task<IReadOnlyList<VectorHit>> ScoreAsync(RegisteredModel model, float[] query, long[] images, IReadOnlyList<float[]>? others = null, CancellationToken ct = default)
    {
        Check(model, query);
        await using var command = db.CreateCommand();
        var halfvec = Halfvec(model);
        var bound = command.Parameters;
        bound.Add(new() { Value = query });
        bound.Add(new() { Value = images });
        var columns = Columns(halfvec, others ?? [], bound);
        command.CommandText = $"SELECT e.image_id, {columns} FROM embeddings e WHERE e.model_id = {model.Id} AND e.image_id = ANY($2)";
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await HitsAsync(reader, images.Length, ct);
    }

    /// <summary>Stored vectors of the given pictures, in single precision.</summary>
    public async Task<IReadOnlyDictionary<long, float[]>> VectorsAsync(RegisteredModel model, long[] images, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT image_id, vector::vector::real[] FROM embeddings WHERE model_id = $1 AND image_id = ANY($2)");
        command.Parameters.Add(new() { Value = model.Id });
        command.Parameters.Add(new() { Value = images });
        Dictionary<long, float[]> vectors = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            vectors[reader.GetInt64(0)] = reader.GetFieldValue<float[]>(1);
        }

        return vectors;
    }

    /// <summary>About <paramref name="count"/> vectors of pictures drawn at random (all, if there are fewer): what any query is compared with.</summary>
    public async Task<IReadOnlyList<float[]>> SampleAsync(RegisteredModel model, int count, CancellationToken ct = default)
    {
        // Surrogate keys are dense enough that random ones mostly hit; a scan of all vectors would grow with the collection.
        await using var command = db.CreateCommand("""
            WITH bounds AS (SELECT min(image_id) AS low, max(image_id) AS high FROM embeddings WHERE model_id = $1),
            drawn AS (SELECT DISTINCT low + floor(random() * (high - low + 1))::bigint AS id FROM bounds, generate_series(1, $2 * 4) WHERE high - low >= $2 * 4
                      UNION SELECT low + n FROM bounds, generate_series(0, $2 * 4) AS n WHERE high - low < $2 * 4)
            SELECT e.vector::vector::real[] FROM drawn JOIN embeddings e ON e.image_id = drawn.id AND e.model_id = $1 ORDER BY random() LIMIT $2
            """);
        command.Parameters.Add(new() { Value = model.Id });
        command.Parameters.Add(new() { Value = count });
        List<float[]> vectors = new(count);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            vectors.Add(reader.GetFieldValue<float[]>(0));
        }

        return vectors;
    }

    /// <summary>Null: every vector is compared.</summary>
    private async Task<VectorIndex?> ChooseAsync(RegisteredModel model, VectorSearchOptions options, CancellationToken ct)
    {
        if (options.Scan == VectorScan.Exact || (options.Scan == VectorScan.Automatic && await IsSmallAsync(model, options.ExactBelow, ct)))
        {
            return null;
        }

        if (options.Scan == VectorScan.Hnsw)
        {
            return new(model.Id, model.Dimensions, VectorIndexKind.Half);
        }

        if (!known.TryGetValue(model.Id, out var seen) || Stopwatch.GetElapsedTime(seen.At) > Fresh)
        {
            known[model.Id] = seen = (await indexes.ReadyAsync(model, ct), Stopwatch.GetTimestamp());
        }

        return options.Scan == VectorScan.Automatic
            ? seen.Ready.FirstOrDefault()
            : seen.Ready.FirstOrDefault(i => i.Kind == VectorIndexKind.Binary) ?? throw new InvalidOperationException($"Model {model.Name} has no binary index.");
    }

    /// <param name="index">Null: every vector is compared.</param>
    /// <param name="onwards">Where the index's first list holds too few that pass, further ones follow.</param>
    private async Task<IReadOnlyList<VectorHit>> ScanAsync(
        RegisteredModel model, float[] query, VectorSearchOptions options, IReadOnlyList<float[]> others, VectorIndex? index, bool onwards, CancellationToken ct)
    {
        var binary = index?.Kind == VectorIndexKind.Binary;
        await using var connection = await db.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);

        // The commands of one batch are one implicit transaction, so the settings end with it.
        batch.BatchCommands.Add(new("""
            SELECT set_config('hnsw.ef_search', $1, true), set_config('hnsw.iterative_scan', $2, true),
                   set_config('hnsw.max_scan_tuples', $3, true), set_config('hnsw.scan_mem_multiplier', $4, true)
            """)
        {
            Parameters =
            {
                new() { Value = options.Listed(index).ToString(CultureInfo.InvariantCulture) },
                new() { Value = !onwards ? "off" : binary ? "relaxed_order" : "strict_order" },
                new() { Value = Math.Max(1, options.MaxScanned).ToString(CultureInfo.InvariantCulture) },
                new() { Value = ScanMemory.ToString(CultureInfo.InvariantCulture) },
            },
        });
        var select = new NpgsqlBatchCommand();
        select.CommandText = Sql(model, query, options, others, index, select.Parameters);
        batch.BatchCommands.Add(select);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.NextResultAsync(ct);
        var hits = await HitsAsync(reader, options.Take, ct);
        hits.Sort((a, b) => b.Cosine.CompareTo(a.Cosine) is var order and not 0 ? order : a.Image.CompareTo(b.Image));
        return hits;
    }

    /// <summary>Reads rows of picture, cosine and further cosines, in the reader's order.</summary>
    private static async Task<List<VectorHit>> HitsAsync(NpgsqlDataReader reader, int expected, CancellationToken ct)
    {
        List<VectorHit> hits = new(expected);
        while (await reader.ReadAsync(ct))
        {
            hits.Add(new(reader.GetInt64(0), reader.GetDouble(1), reader.FieldCount == 2 ? [] : [.. Enumerable.Range(2, reader.FieldCount - 2).Select(reader.GetDouble)]));
        }

        return hits;
    }

    /// <summary>A collection that has grown beyond the size is taken as large from then on; asking again for every query would cost as much as it saves.</summary>
    private async Task<bool> IsSmallAsync(RegisteredModel model, int size, CancellationToken ct)
    {
        if (large.ContainsKey((model.Id, size)))
        {
            return false;
        }

        await using var command = db.CreateCommand("SELECT count(*) FROM (SELECT FROM embeddings WHERE model_id = $1 LIMIT $2) AS first");
        command.Parameters.Add(new() { Value = model.Id });
        command.Parameters.Add(new() { Value = size + 1 });
        var small = (long)(await command.ExecuteScalarAsync(ct))! <= size;
        if (!small)
        {
            large[(model.Id, size)] = true;
        }

        return small;
    }

    private static string Sql(
        RegisteredModel model, float[] query, VectorSearchOptions options, IReadOnlyList<float[]> others, VectorIndex? index, NpgsqlParameterCollection bound)
    {
        var halfvec = Halfvec(model);
        bound.Add(new() { Value = query });
        bound.Add(new() { Value = options.Take });
        var columns = Columns(halfvec, others, bound);
        var filter = options.Filter ?? ImageFilter.None;
        var (join, conditions) = filter.IsOpen ? ("", Arrived(filter, bound)) : ("JOIN images i ON i.id = e.image_id", filter.Where(bound));
        var from = $"FROM embeddings e {join} WHERE e.model_id = {model.Id.ToString(CultureInfo.InvariantCulture)}{conditions}{options.Words?.Where("e.image_id", bound)}";

        // Without the index's own expression no index fits.
        var exact = $"e.vector <=> $1::real[]::{halfvec}";
        if (index?.Kind != VectorIndexKind.Binary)
        {
            return $"SELECT e.image_id, {columns} {from} ORDER BY {index?.Distance("e.vector", "$1::real[]") ?? exact} LIMIT $2";
        }

        bound.Add(new() { Value = options.Wanted(index) });
        return string.Create(CultureInfo.InvariantCulture, $"""
            SELECT e.image_id, {columns}
            FROM (SELECT e.image_id, e.vector {from} ORDER BY {index.Distance("e.vector", "$1::real[]")} LIMIT ${bound.Count}) AS e
            ORDER BY {exact} LIMIT $2
            """);
    }

    // The bound on arrival needs no join.
    private static string Arrived(ImageFilter filter, NpgsqlParameterCollection bound)
    {
        if (filter.MaxImage is not { } last)
        {
            return "";
        }

        bound.Add(new() { Value = last });
        return string.Create(CultureInfo.InvariantCulture, $" AND e.image_id <= ${bound.Count}");
    }

    private static string Columns(string halfvec, IReadOnlyList<float[]> others, NpgsqlParameterCollection bound)
    {
        var sql = new StringBuilder($"1 - (e.vector <=> $1::real[]::{halfvec})");
        foreach (var other in others)
        {
            bound.Add(new() { Value = other });
            sql.Append(CultureInfo.InvariantCulture, $", 1 - (e.vector <=> ${bound.Count}::real[]::{halfvec})");
        }

        return sql.ToString();
    }

    private static string Halfvec(RegisteredModel model) => string.Create(CultureInfo.InvariantCulture, $"halfvec({model.Dimensions})");

    private static void Check(RegisteredModel model, float[] query)
    {
        if (query.Length != model.Dimensions || !query.All(float.IsFinite))
        {
            throw new ArgumentException($"A query for {model.Name} has {model.Dimensions} finite numbers.", nameof(query));
        }
    }
}
