using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Models;
using Microsoft.Extensions.Options;

namespace ImageSearch.Operator.Models;

/// <param name="Known">Registered in the catalogue; null if it only lies in the models folder.</param>
/// <param name="Available">Its files lie in the models folder of this operator.</param>
public sealed record ModelView(string Name, string? Description, bool Available, ModelCoverage? Known);

/// <param name="Name">Embedding model as <c>name/version</c>.</param>
/// <param name="Rate">Images a second.</param>
public sealed record FillRequest(string Name, float Rate = 50);

/// <param name="Force">Also when images lack a vector under it; they cannot be found until they have one.</param>
public sealed record ActivateRequest(string Name, bool Force = false);

public sealed record RetireRequest(string Name);

/// <param name="Stage">encode or caption.</param>
public sealed record JobRequest(string Stage, float Rate = 5);

public sealed record JobStarted(long Job);

public sealed record Activated(string Name, long Missing);

internal static class ModelEndpoints
{
    public static void MapModels(this IEndpointRouteBuilder app)
    {
        var models = app.MapGroup("/api/models").WithTags("Models");
        models.MapGet("/", ListAsync).WithSummary("Embedding models, their states and coverage");
        models.MapPost("/fill", FillAsync).WithSummary("Registers a model and embeds all images under it in the background").Produces<JobStarted>(StatusCodes.Status202Accepted);
        models.MapPost("/activate", ActivateAsync).WithSummary("Lets a model answer queries").Produces<Activated>();
        models.MapPost("/retire", async (ModelSwitchCatalog catalog, OperatorLog journal, HttpContext http, RetireRequest request, CancellationToken ct) =>
        {
            if (!await catalog.RetireAsync(request.Name, ct))
            {
                return OperatorApi.Conflict($"{request.Name} is not known, not in use, or active; an active model cannot be retired.");
            }

            await journal.WriteAsync(http.Actor(), "retire model", request.Name, "", ct);
            return Results.NoContent();
        });

        var jobs = app.MapGroup("/api/jobs").WithTags("Jobs");
        jobs.MapGet("/", (StageJobCatalog catalog, int? limit, CancellationToken ct) => catalog.ListAsync(OperatorApi.Page(limit), ct));
        jobs.MapGet("/{id:long}", async (StageJobCatalog catalog, long id, CancellationToken ct) =>
            await catalog.FindAsync(id, ct) is { } job ? Results.Ok(job) : OperatorApi.NotFound($"There is no job {id}.")).Produces<StageJob>();
        jobs.MapPost("/", async (StageJobCatalog catalog, OperatorLog journal, HttpContext http, JobRequest request, CancellationToken ct) =>
            request.Stage is Stages.Encode or Stages.Caption
                ? await StartJobAsync(catalog, journal, http, request.Stage, null, request.Rate, ct)
                : OperatorApi.BadRequest("Stage is encode or caption; to embed, fill a model.")).WithSummary("Encodes or captions all images again").Produces<JobStarted>(StatusCodes.Status202Accepted);
        foreach (var (action, state) in (IEnumerable<(string, string)>)[("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")])
        {
            jobs.MapPost($"/{{id:long}}/{action}", async (StageJobCatalog catalog, OperatorLog journal, HttpContext http, long id, CancellationToken ct) =>
            {
                if (!await catalog.ChangeAsync(id, state, ct))
                {
                    return OperatorApi.Conflict($"Job {id} does not exist or is at its end.");
                }

                await journal.WriteAsync(http.Actor(), $"{action} job", $"job {id}", "", ct);
                return Results.NoContent();
            });
        }
    }

    private static async Task<IEnumerable<ModelView>> ListAsync(ModelSwitchCatalog catalog, IOptions<ModelsOptions> options, CancellationToken ct)
    {
        var known = (await catalog.ListAsync(ct)).ToDictionary(m => m.Name);
        var manifests = ModelManifest.LoadAll(options.Value.Directory).Where(m => m.Kind == "embedding").ToDictionary(m => m.Id);
        return known.Keys.Union(manifests.Keys).Order(StringComparer.Ordinal)
            .Select(n => new ModelView(n, manifests.GetValueOrDefault(n)?.Description, manifests.ContainsKey(n), known.GetValueOrDefault(n)));
    }

    private static async Task<IResult> FillAsync(
        EmbeddingCatalog embeddings, ModelSwitchCatalog catalog, StageJobCatalog jobs, OperatorLog journal, IOptions<ModelsOptions> options, HttpContext http, FillRequest request, CancellationToken ct)
    {
        var known = (await embeddings.ModelsAsync(ct)).Any(m => m.Name == request.Name);
        var manifest = ModelManifest.LoadAll(options.Value.Directory).FirstOrDefault(m => m.Kind == "embedding" && m.Id == request.Name);
        if (manifest is null && !known)
        {
            return OperatorApi.NotFound($"No embedding model {request.Name} is registered or lies in the models folder.");
        }

        if (manifest is not null)
        {
            try
            {
                await embeddings.RegisterModelAsync(request.Name, manifest.Get<int>("dimensions"), manifest.GetOrDefault<float[]>("mean"), ct);
            }
            catch (Exception e) when (e is ModelException or InvalidOperationException)
            {
                return OperatorApi.Conflict(e.Message);
            }
        }

        await catalog.BeginFillAsync(request.Name, ct);
        return await StartJobAsync(jobs, journal, http, Stages.Embed, request.Name, request.Rate, ct);
    }

    private static async Task<IResult> StartJobAsync(StageJobCatalog jobs, OperatorLog journal, HttpContext http, string stage, string? model, float rate, CancellationToken ct)
    {
        if (rate is not (> 0 and <= 10_000))
        {
            return OperatorApi.BadRequest("The rate is a number of images a second between 0 and 10,000.");
        }

        if (await jobs.StartAsync(stage, model, rate, http.Actor(), ct) is not { } id)
        {
            return OperatorApi.Conflict("Such a job is open already; see /api/jobs.");
        }

        await journal.WriteAsync(http.Actor(), stage == Stages.Embed ? "fill model" : $"{stage} all", model ?? stage, $"job {id}, {rate} a second", ct);
        return Results.Accepted($"/api/jobs/{id}", new JobStarted(id));
    }

    private static async Task<IResult> ActivateAsync(ModelSwitchCatalog catalog, OperatorLog journal, HttpContext http, ActivateRequest request, CancellationToken ct)
    {
        if (await catalog.ActivateAsync(request.Name, request.Force, ct) is not { } missing)
        {
            return OperatorApi.NotFound($"No model {request.Name} is registered. Fill it first.");
        }

        if (missing > 0 && !request.Force)
        {
            return OperatorApi.Conflict($"{missing} images have no vector under {request.Name} and could not be found. Fill the model, or activate it with force.");
        }

        await journal.WriteAsync(http.Actor(), "activate model", request.Name, missing > 0 ? $"forced, {missing} images lack a vector" : "", ct);
        return Results.Ok(new Activated(request.Name, missing));
    }
}
