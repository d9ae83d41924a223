using System.Globalization;
using Npgsql;

namespace ImageSearch.Catalog.Vectors;

public enum VectorIndexKind
{
    /// <summary>HNSW over the half-precision vectors by cosine.</summary>
    Half,

    /// <summary>HNSW over one bit a dimension by Hamming distance; what it finds is ranked again by the half-precision vectors.</summary>
    Binary,
}

/// <summary>How an index is built.</summary>
/// <param name="Rebuild">Anew, also where there is a whole one: for binary codes against the mean as it is now. Until it is whole, the other kind or the exact scan answers.</param>
/// <param name="KeepOther">The index of the other kind stays beside it.</param>
/// <param name="Megabytes">Most memory that building may take; a graph that does not fit is built slowly, from disk.</param>
/// <param name="Links">HNSW's m; the kind's own where null.</param>
/// <param name="Construction">HNSW's ef_construction; the kind's own where null.</param>
public sealed record VectorIndexBuild(bool Rebuild = false, bool KeepOther = false, int Megabytes = 2048, int? Links = null, int? Construction = null)
{
    public static readonly VectorIndexBuild Default = new();

    // Measured with benchmarks/Index. The binary graph has few links: they, not the codes, are most of its size.
    internal int LinksOf(VectorIndexKind kind) => Links ?? (kind == VectorIndexKind.Half ? 16 : 5);

    internal int ConstructionOf(VectorIndexKind kind) => Construction ?? (kind == VectorIndexKind.Half ? 128 : 200);
}

/// <summary>The index of one model's vectors: its name and the expression it is over.</summary>
/// <param name="Centre">What binary codes are signs against; null for <see cref="VectorIndexKind.Half"/>.</param>
public sealed record VectorIndex(short Model, int Dimensions, VectorIndexKind Kind, float[]? Centre = null)
{

    public string Name => NameOf(Model, Kind);

    public static string NameOf(short model, VectorIndexKind kind) =>
        string.Create(CultureInfo.InvariantCulture, $"embeddings_{(kind == VectorIndexKind.Half ? "hnsw" : "binary")}_{model}");

    /// <summary>Distance of column <paramref name="vector"/> to a query, so written that the index fits; numbers of our own making only.</summary>
    /// <param name="query">SQL of type real[].</param>
    internal string Distance(string vector, string query) => Kind == VectorIndexKind.Half
        ? $"({vector}::{Halfvec}) <=> {query}::{Halfvec}"
        : $"({Code(vector)}) <~> {Code(query)}";

    /// <summary>CONCURRENTLY, so that a running system keeps writing.</summary>
    internal string Create(VectorIndexBuild build)
    {
        var over = Kind == VectorIndexKind.Half ? $"(vector::{Halfvec}) halfvec_cosine_ops" : $"({Code("vector")}) bit_hamming_ops";
        return string.Create(CultureInfo.InvariantCulture, $"""
            CREATE INDEX CONCURRENTLY {Name} ON embeddings USING hnsw ({over})
            WITH (m = {build.LinksOf(Kind)}, ef_construction = {build.ConstructionOf(Kind)}) WHERE model_id = {Model}
            """);
    }

    /// <summary>Megabytes that the graph of so many vectors takes while it is built.</summary>
    internal long BuildMegabytes(long vectors, VectorIndexBuild build) =>
        vectors * ((Kind == VectorIndexKind.Half ? 2L * Dimensions : Dimensions / 8) + (build.LinksOf(Kind) * 40) + 200) * 5 / 4 / 1_000_000;

    private string Halfvec => string.Create(CultureInfo.InvariantCulture, $"halfvec({Dimensions})");

    private string Code(string vector)
    {
        var centre = string.Join(',', Centre!.Select(c => c.ToString("R", CultureInfo.InvariantCulture)));
        return string.Create(CultureInfo.InvariantCulture, $"binary_quantize({vector}::{Halfvec} - '[{centre}]'::{Halfvec})::bit({Dimensions})");
    }
}
