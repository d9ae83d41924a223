using System.Globalization;
using ImageSearch.Catalog;
using Npgsql;

namespace ImageSearch.Benchmarks.Index;

/// <summary>
/// One bit a dimension: the sign of the vector less the collection's mean, compared by Hamming distance under HNSW; the best candidates are ranked again by
/// the half-precision vectors.
/// </summary>
public sealed class BinaryIndex(ScratchDatabase scratch, RegisteredModel model)
{
    public const string Name = "embeddings_binary";

    private string expression = "";

    public async Task BuildAsync(CancellationToken ct)
    {
        // avg() of halfvec is a halfvec; the literal makes the index's expression immutable.
        var halfvec = string.Create(CultureInfo.InvariantCulture, $"halfvec({model.Dimensions})");
        var mean = await scratch.ScalarAsync<string>($"SELECT avg(vector)::text FROM embeddings WHERE model_id = {model.Id}", ct);
        expression = string.Create(CultureInfo.InvariantCulture, $"binary_quantize(VECTOR - '{mean}'::{halfvec})::bit({model.Dimensions})");
        await scratch.ExecuteAsync($"CREATE INDEX {Name} ON embeddings USING hnsw (({Of($"vector::{halfvec}")}) bit_hamming_ops) WITH (m = 16, ef_construction = 128) WHERE model_id = {model.Id}", ct);
    }

    /// <summary>Ids of the nearest, nearest first.</summary>
    public async Task<long[]> SearchAsync(float[] query, int take, int candidates, CancellationToken ct)
    {
        var halfvec = string.Create(CultureInfo.InvariantCulture, $"halfvec({model.Dimensions})");
        await using var connection = await scratch.Db.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new(string.Create(CultureInfo.InvariantCulture, $"SELECT set_config('hnsw.ef_search', '{candidates}', true)")));
        batch.BatchCommands.Add(new(string.Create(CultureInfo.InvariantCulture, $"""
            SELECT image_id FROM (
                SELECT image_id, vector FROM embeddings WHERE model_id = {model.Id}
                ORDER BY ({Of($"vector::{halfvec}")}) <~> {Of($"$1::real[]::{halfvec}")} LIMIT {candidates}) AS near
            ORDER BY vector <=> $1::real[]::{halfvec} LIMIT {take}
            """))
        { Parameters = { new() { Value = query } } });
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.NextResultAsync(ct);
        List<long> ids = new(take);
        while (await reader.ReadAsync(ct))
        {
            ids.Add(reader.GetInt64(0));
        }

        return [.. ids];
    }

    private string Of(string vector) => expression.Replace("VECTOR", vector, StringComparison.Ordinal);
}
