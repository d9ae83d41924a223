using System.CommandLine;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>coverage|fill|activate|retire</c>, to be put under <c>imagesearch models</c>; and <c>imagesearch jobs</c>.</summary>
public static class ModelSwitchCommand
{
    public static IEnumerable<Command> Create() => [Coverage(), Fill(), Activate(), Retire()];

    public static Command CreateJobs()
    {
        var json = new Option<bool>("--json");
        var list = new Command("list", "Jobs, latest first.") { json };
        list.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var jobs = await client.GetAsync<StageJob[]>("/api/jobs", ct);
            if (r.GetValue(json))
            {
                WriteJson(jobs);
                return 0;
            }

            var table = Table("id", "stage", "model", "state", "rate", "sweep", "asked for", "by", "since", "finished");
            foreach (var j in jobs)
            {
                table.AddRow(j.Id.ToString(), j.Stage, Cell(j.Model), j.State, $"{j.Rate}", j.Sweep.ToString(), j.Requested.ToString(), Cell(j.Actor), $"{j.CreatedAt:u}", $"{j.FinishedAt:u}");
            }

            AnsiConsole.Write(table);
            return 0;
        });
        var stage = new Argument<string>("stage") { Description = "encode or caption." };
        stage.AcceptOnlyFromAmong("encode", "caption");
        var rate = new Option<float>("--rate") { Description = "Images a second.", DefaultValueFactory = _ => 5 };
        var noWait = new Option<bool>("--no-wait");
        var startJson = new Option<bool>("--json");
        var start = new Command("start", "Encode or caption all images again, in the background.") { stage, rate, noWait, startJson };
        start.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            return await StartedAsync(client, await client.PostAsync("/api/jobs", new { stage = r.GetValue(stage), rate = r.GetValue(rate) }, ct), r.GetValue(noWait), r.GetValue(startJson), ct);
        });
        var command = new Command("jobs", "Stages that are done again for all images.") { list, start };
        foreach (var action in (string[])["pause", "resume", "cancel"])
        {
            var id = new Argument<long>("id");
            var change = new Command(action) { id };
            change.SetAction(async (r, ct) =>
            {
                using var client = new OperatorClient();
                await client.PostAsync($"/api/jobs/{r.GetValue(id)}/{action}", null, ct);
                return 0;
            });
            command.Add(change);
        }

        return command;
    }

    private static Command Coverage()
    {
        var json = new Option<bool>("--json");
        var command = new Command("coverage", "Which model answers queries, and how many images each covers.") { json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var models = await client.GetAsync<JsonArray>("/api/models", ct);
            if (r.GetValue(json))
            {
                WriteJson(models);
                return 0;
            }

            var table = Table("model", "state", "vectors", "images", "dimensions", "files");
            foreach (var m in models)
            {
                var known = m!["known"];
                table.AddRow(Cell(m["name"]), Cell(known?["state"] ?? "not registered"), Cell(known?["vectors"]), Cell(known?["images"]), Cell(known?["dimensions"]), m["available"]!.GetValue<bool>() ? "there" : "missing");
            }

            AnsiConsole.Write(table);
            return 0;
        });
        return command;
    }

    private static Command Fill()
    {
        var model = new Argument<string>("model") { Description = "name/version." };
        var rate = new Option<float>("--rate") { Description = "Images a second.", DefaultValueFactory = _ => 50 };
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait for the end." };
        var json = new Option<bool>("--json");
        var command = new Command("fill", "Embed all images under a model, in the background; search goes on with the active one.") { model, rate, noWait, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            return await StartedAsync(client, await client.PostAsync("/api/models/fill", new { name = r.GetValue(model), rate = r.GetValue(rate) }, ct), r.GetValue(noWait), r.GetValue(json), ct);
        });
        return command;
    }

    private static Command Activate()
    {
        var model = new Argument<string>("model") { Description = "name/version." };
        var force = new Option<bool>("--force") { Description = "Although images lack a vector under it." };
        var command = new Command("activate", "Let a filled model answer queries; the one before stays ready.") { model, force };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            WriteJson(await client.PostAsync("/api/models/activate", new { name = r.GetValue(model), force = r.GetValue(force) }, ct));
            return 0;
        });
        return command;
    }

    private static Command Retire()
    {
        var model = new Argument<string>("model") { Description = "name/version." };
        var command = new Command("retire", "Stop embedding new pictures under a model that is not active.") { model };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            await client.PostAsync("/api/models/retire", new { name = r.GetValue(model) }, ct);
            return 0;
        });
        return command;
    }

    private static async Task<int> StartedAsync(OperatorClient client, JsonNode? started, bool noWait, bool json, CancellationToken ct)
    {
        var id = started!["job"]!.GetValue<long>();
        if (noWait)
        {
            WriteJson(started);
            return 0;
        }

        async Task<StageJob> ReadAsync() => await client.GetAsync<StageJob>($"/api/jobs/{id}", ct);
        var job = await ReadAsync();
        await AnsiConsole.Progress().StartAsync(async progress =>
        {
            var bar = json || Console.IsOutputRedirected ? null : progress.AddTask($"job {id}: {job.Stage} {job.Model}", maxValue: Math.Max(1, job.Total ?? 1));
            while (job.State is "running" or "paused")
            {
                bar?.Value((job.Total ?? 0) - (job.Missing ?? 0));
                await Task.Delay(1000, ct);
                job = await ReadAsync();
            }

            bar?.Value((job.Total ?? 0) - (job.Missing ?? 0));
        });
        if (json)
        {
            WriteJson(job);
        }
        else
        {
            Console.WriteLine($"Job {id} is {job.State}: {(job.Total ?? 0) - (job.Missing ?? 0)} of {job.Total} images are done.");
        }

        return job.State == "done" ? 0 : 1;
    }
}
