using ImageSearch.Evaluation;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Cli.Evaluation;

/// <summary>Other ways of storing and ranking what the system has of a set, computed here from what it stored.</summary>
public sealed class StoredVariants(NpgsqlDataSource db, ObjectStore store, StoredSet stored, SampleSizes samples)
{
    public async Task<IReadOnlyList<Measurement>> MeasureAsync(CancellationToken ct)
    {
        List<Measurement> measured = [];
        foreach (var (kind, count) in new[] { (QueryKind.Label, int.MaxValue), (QueryKind.Caption, Math.Min(samples.Captions, 1_000)) })
        {
            var queries = RetrievalTasks.Sample(stored.Set.Of(kind), count);
            measured.AddRange(await TextVariants.MeasureAsync(db, CliSettings.Postgres.ConnectionString, stored, queries, ct));
            measured.AddRange(await VectorVariants.MeasureAsync(db, store, stored, queries, ct));
        }

        return measured;
    }

    internal static Measurement Of(QueryKind kind, string leg, IReadOnlyList<Judgement> judged) => kind == QueryKind.Caption
        ? new("caption to picture, variants", leg, judged.Count, Scores.OneRight(judged))
        : new("label to pictures, variants", leg, judged.Count, Scores.ManyRight(judged));
}
