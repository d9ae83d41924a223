using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Catalog.Operations;

/// <param name="Missing">Images that the job has still to see done; null where it was not counted.</param>
public sealed record StageJob(
    long Id, string Stage, string? Model, string State, float Rate, int Sweep, long Cursor, long Requested, DateTimeOffset? SweptAt, string Actor, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt,
    long? Missing = null, long? Total = null);

/// <summary>Jobs that have a stage done again for all images: encode, embed under a model, caption. Written by operator only.</summary>
public sealed class StageJobCatalog(NpgsqlDataSource db)
{
    private const string Columns = "id, stage, model, state, rate, sweep, cursor, requested, swept_at, actor, created_at, finished_at";

    // What a job has still to see done, for $2 = start of the job and $3 = model.
    private static readonly Dictionary<string, string> Undone = new()
    {
        [Stages.Encode] = "NOT EXISTS (SELECT FROM bitstreams b WHERE b.image_id = i.id AND b.created_at >= $2) AND $3::text IS NULL",
        [Stages.Embed] = "NOT EXISTS (SELECT FROM embeddings e JOIN embedding_models m ON m.id = e.model_id WHERE e.image_id = i.id AND m.name = $3) AND $2::timestamptz IS NOT NULL",
        [Stages.Caption] = "NOT EXISTS (SELECT FROM captions c WHERE c.image_id = i.id AND c.created_at >= $2) AND $3::text IS NULL",
    };

    /// <returns>Number of the job; null if one for the same stage and model is open.</returns>
    public Task<long?> StartAsync(string stage, string? model, float rate, string actor, CancellationToken ct = default) =>
        db.ScalarAsync<long?>("""
            WITH one AS (SELECT pg_advisory_xact_lock(hashtextextended('imagesearch job start', 0)))
            INSERT INTO stage_jobs (stage, model, rate, actor) SELECT $1, $2, $3, $4 FROM one
            WHERE NOT EXISTS (SELECT FROM stage_jobs WHERE stage = $1 AND model IS NOT DISTINCT FROM $2 AND state IN ('running', 'paused')) RETURNING id
            """, ct, stage, model, rate, actor);

    public Task<List<StageJob>> ListAsync(int limit, CancellationToken ct = default) => db.ReadAsync($"SELECT {Columns} FROM stage_jobs ORDER BY id DESC LIMIT $1", Job, ct, limit);

    public Task<List<StageJob>> RunningAsync(CancellationToken ct = default) => db.ReadAsync($"SELECT {Columns} FROM stage_jobs WHERE state = 'running' ORDER BY id", Job, ct);

    public async Task<StageJob?> FindAsync(long id, CancellationToken ct = default)
    {
        var job = (await db.ReadAsync($"SELECT {Columns} FROM stage_jobs WHERE id = $1", Job, ct, id)).FirstOrDefault();
        return job is null ? null : job with { Missing = await MissingAsync(job, ct), Total = await db.ScalarAsync<long>("SELECT count(*) FROM images", ct) };
    }

    /// <summary>Images after the job's cursor that have still to be done.</summary>
    public Task<List<(long Image, ImageId Id)>> NextAsync(StageJob job, int limit, CancellationToken ct = default) =>
        db.ReadAsync($"SELECT i.id, i.sha256 FROM images i WHERE i.id > $1 AND {Undone[job.Stage]} ORDER BY i.id LIMIT $4",
            r => (r.GetInt64(0), ImageId.FromBytes(r.GetFieldValue<byte[]>(1))), ct, job.Cursor, job.CreatedAt.ToUniversalTime(), job.Model, limit);

    public Task<long> MissingAsync(StageJob job, CancellationToken ct = default) =>
        db.ScalarAsync<long>($"SELECT count(*) FROM images i WHERE i.id > $1 AND {Undone[job.Stage]}", ct, 0L, job.CreatedAt.ToUniversalTime(), job.Model);

    /// <summary>Notes how far the job has asked.</summary>
    public Task AdvanceAsync(long id, long cursor, int requested, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE stage_jobs SET cursor = $2, requested = requested + $3, swept_at = NULL WHERE id = $1", ct, id, cursor, requested);

    /// <summary>The sweep has asked for everything.</summary>
    public Task SweptAsync(long id, CancellationToken ct = default) => db.ExecuteAsync("UPDATE stage_jobs SET swept_at = coalesce(swept_at, now()) WHERE id = $1", ct, id);

    /// <summary>Begins again at the first image, for what is still missing.</summary>
    public Task SweepAgainAsync(long id, CancellationToken ct = default) =>
        db.ExecuteAsync("UPDATE stage_jobs SET sweep = sweep + 1, cursor = 0, swept_at = NULL WHERE id = $1 AND state = 'running'", ct, id);

    /// <param name="state">running, paused, done, incomplete or cancelled.</param>
    /// <returns>False if the job is at its end already.</returns>
    public async Task<bool> ChangeAsync(long id, string state, CancellationToken ct = default) =>
        await db.ExecuteAsync("""
            UPDATE stage_jobs SET state = $2, finished_at = CASE WHEN $2 IN ('running', 'paused') THEN NULL ELSE now() END WHERE id = $1 AND state IN ('running', 'paused')
            """, ct, id, state) == 1;

    private static StageJob Job(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.Text(2), r.GetString(3), r.GetFloat(4), r.GetInt32(5), r.GetInt64(6), r.GetInt64(7), r.Value<DateTimeOffset>(8), r.GetString(9),
        r.GetFieldValue<DateTimeOffset>(10), r.Value<DateTimeOffset>(11));
}
