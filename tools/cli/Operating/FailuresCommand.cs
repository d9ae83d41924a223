using System.CommandLine;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>imagesearch failures list|groups|over-time|show|retry|edit|archive|restore|export|note|automatic</c>.</summary>
public static class FailuresCommand
{
    private static Option<string?> Search() => new("--search", "-s") { Description = "Words with AND, OR, NOT, ( ), \"...\"; exception: message: frame: endpoint: type: image: key: body: trace: group:" };

    private static Option<string> State() => new("--state") { Description = "failed, retrying, resolved, archived, any.", DefaultValueFactory = _ => "failed" };

    private static Option<bool> Json() => new("--json") { Description = "The operator's answer as it is." };

    public static Command Create() => new("failures", "Messages that failed: see, send again, put aside.")
    {
        List(), Groups(), OverTime(), Show(), Retry(), Edit(), Move("archive", "Put messages aside."), Move("restore", "Take messages back from the archive."), Export(), Note(), Automatic(),
    };

    private static Command List()
    {
        var (search, state, json) = (Search(), State(), Json());
        var limit = new Option<int>("--limit", "-n") { Description = "Lines, 1 to 500.", DefaultValueFactory = _ => 50 };
        var after = new Option<string?>("--after") { Description = "Place in the list where the page before ended." };
        var command = new Command("list", "Failed messages, latest first.") { search, state, limit, after, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var page = await client.GetAsync<FailurePage>("/api/failures" + Query(("q", r.GetValue(search)), ("state", r.GetValue(state)), ("limit", r.GetValue(limit)), ("after", r.GetValue(after))), ct);
            if (r.GetValue(json))
            {
                WriteJson(page);
                return page.Items.Count == 0 ? 0 : 1;
            }

            var table = Table("id", "last failed", "endpoint", "exception", "message", "picture", "times", "next retry");
            foreach (var f in page.Items)
            {
                table.AddRow(f.Id.ToString(), $"{f.LastFailedAt:u}", Cell(f.Endpoint), Cell(f.ExceptionType.Split('.')[^1], 40), Cell(f.ExceptionMessage), Cell(f.Key ?? f.Image?.ToString(), 40), f.Attempts.ToString(), $"{f.NextRetryAt:u}");
            }

            AnsiConsole.Write(table);
            if (page.Next is not null)
            {
                Console.WriteLine($"More with --after {page.Next}");
            }

            return page.Items.Count == 0 ? 0 : 1;
        });
        return command;
    }

    private static Command Groups()
    {
        var (search, state, json) = (Search(), State(), Json());
        var by = new Option<string>("--by") { Description = "cause, endpoint, type, image.", DefaultValueFactory = _ => "cause" };
        by.AcceptOnlyFromAmong("cause", "endpoint", "type", "image");
        var command = new Command("groups", "Failures that have their cause in common.") { by, search, state, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var groups = await client.GetAsync<FailureGroup[]>("/api/failures/groups" + Query(("by", r.GetValue(by)), ("q", r.GetValue(search)), ("state", r.GetValue(state))), ct);
            if (r.GetValue(json))
            {
                WriteJson(groups);
            }
            else
            {
                var table = Table("group", "count", "name", "first own frame", "first", "last", "example", "note");
                foreach (var g in groups)
                {
                    table.AddRow(Cell(g.Key), g.Count.ToString(), Cell(g.Name), Cell(g.FirstFrame), $"{g.First:u}", $"{g.Last:u}", Cell(g.Example), Cell(g.Note));
                }

                AnsiConsole.Write(table);
            }

            return groups.Length == 0 ? 0 : 1;
        });
        return command;
    }

    private static Command OverTime()
    {
        var group = new Option<string?>("--group") { Description = "Only this group, as `failures groups` names it." };
        var hours = new Option<int>("--hours") { Description = "How far back, 1 to 720.", DefaultValueFactory = _ => 24 };
        var json = Json();
        var command = new Command("over-time", "How many messages failed when, in 48 steps.") { group, hours, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var points = (await client.GetAsync<JsonNode>("/api/failures/over-time" + Query(("group", r.GetValue(group)), ("hours", r.GetValue(hours))), ct)).AsArray();
            if (r.GetValue(json))
            {
                WriteJson(points);
                return 0;
            }

            var counts = points.Select(p => (At: p!["at"]!.GetValue<DateTimeOffset>(), Count: p["count"]!.GetValue<long>())).ToList();
            var highest = Math.Max(1, counts.Max(c => c.Count));
            foreach (var (at, count) in counts)
            {
                Console.WriteLine($"{at:u}  {count,7}  {new string('#', (int)(50 * count / highest))}");
            }

            return 0;
        });
        return command;
    }

    private static Command Show()
    {
        var id = new Argument<long>("id");
        var json = Json();
        var command = new Command("show", "All about one failed message.") { id, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var view = await client.GetAsync<JsonNode>($"/api/failures/{r.GetValue(id)}", ct);
            if (r.GetValue(json))
            {
                WriteJson(view);
                return 0;
            }

            var summary = view["summary"]!;
            foreach (var name in (string[])["id", "state", "endpoint", "messageType", "exceptionType", "exceptionMessage", "image", "imageId", "bucket", "key", "attempts", "firstFailedAt", "lastFailedAt", "nextRetryAt"])
            {
                Console.WriteLine($"{name,-17} {summary[name]}");
            }

            Console.WriteLine($"{"traceId",-17} {view["traceId"]}\n\n{view["stackTrace"]}\n\n{view["body"] ?? "(the body is no text)"}\n");
            foreach (var h in view["headers"]!.AsArray())
            {
                Console.WriteLine($"{(h!["locked"]!.GetValue<bool>() ? "locked " : "       ")}{h["name"]}: {Shorten(h["value"])}");
            }

            foreach (var f in view["failures"]!.AsArray())
            {
                Console.WriteLine($"failed {f!["failedAt"]}  {f["exceptionType"]}: {f["exceptionMessage"]}");
            }

            foreach (var t in view["retries"]!.AsArray())
            {
                Console.WriteLine($"retry {t!["retry"]} by {t["actor"]}: {t["state"]} {t["decidedBy"]} {t["sentAt"]}");
            }

            return 0;

            static string Shorten(JsonNode? value) => value?.ToString().ReplaceLineEndings(" ") is { Length: > 120 } text ? text[..119] + "…" : value?.ToString() ?? "";
        });
        return command;
    }

    private static Command Retry()
    {
        var ids = new Argument<long[]>("ids") { Arity = ArgumentArity.ZeroOrMore };
        var (search, json) = (Search(), Json());
        var group = new Option<string?>("--group") { Description = "All of a group." };
        var all = new Option<bool>("--all") { Description = "All failed messages." };
        var rate = new Option<float?>("--rate") { Description = "Messages a second. Without it: batches of 1, 5, 50, 500 that stop at the first failure." };
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait for the end." };
        var command = new Command("retry", "Send messages again; exit code 1 if one fails again.") { ids, search, group, all, rate, noWait, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var chosen = r.GetValue(ids) is { Length: > 0 } some ? some : null;
            var started = (await client.PostAsync("/api/failures/retry", new { ids = chosen, q = r.GetValue(search), group = r.GetValue(group), all = r.GetValue(all), rate = r.GetValue(rate) }, ct))!;
            if (r.GetValue(noWait))
            {
                WriteJson(started);
                return 0;
            }

            return await RetriesCommand.WatchAsync(client, started["retry"]!.GetValue<long>(), r.GetValue(json), ct);
        });
        return command;
    }

    private static Command Edit()
    {
        var id = new Argument<long>("id");
        var body = new Option<string?>("--body") { Description = "File with the new body; `failures show ID --json` has the old one." };
        var headers = new Option<string?>("--headers") { Description = "File with a JSON object of all headers that are not locked, as they shall be." };
        var json = Json();
        var command = new Command("edit", "Send a changed copy of a message; the original links to it.") { id, body, headers, json };
        command.SetAction(async (r, ct) =>
        {
            if ((r.GetValue(body) ?? r.GetValue(headers)) is null)
            {
                throw new CliException("Say what to change: --body FILE, --headers FILE, or both.");
            }

            using var client = new OperatorClient();
            var edit = new { body = await ReadAsync(r.GetValue(body), ct), headers = await HeadersAsync(client, r.GetValue(id), await ReadAsync(r.GetValue(headers), ct), ct) };
            var started = (await client.PostAsync($"/api/failures/{r.GetValue(id)}/edit", edit, ct))!;
            return await RetriesCommand.WatchAsync(client, started["retry"]!.GetValue<long>(), r.GetValue(json), ct);
        });
        return command;
    }

    private static async Task<string?> ReadAsync(string? file, CancellationToken ct) =>
        file is null ? null : File.Exists(file) ? await File.ReadAllTextAsync(file, ct) : throw new CliException($"There is no file {file}.");

    /// <summary>The given headers and the locked ones of the message; null if none are given.</summary>
    private static async Task<JsonObject?> HeadersAsync(OperatorClient client, long failure, string? given, CancellationToken ct)
    {
        if (given is null)
        {
            return null;
        }

        JsonObject all;
        try
        {
            all = JsonNode.Parse(given) as JsonObject ?? throw new CliException("The headers are no JSON object.");
        }
        catch (System.Text.Json.JsonException e)
        {
            throw new CliException($"The headers are no JSON: {e.Message}");
        }

        foreach (var header in (await client.GetAsync<JsonNode>($"/api/failures/{failure}", ct))["headers"]!.AsArray().Where(h => h!["locked"]!.GetValue<bool>()))
        {
            all.TryAdd(header!["name"]!.ToString(), header["value"]?.DeepClone());
        }

        return all;
    }

    private static Command Move(string action, string description)
    {
        var ids = new Argument<long[]>("ids") { Arity = ArgumentArity.ZeroOrMore };
        var search = Search();
        var group = new Option<string?>("--group");
        var all = new Option<bool>("--all");
        var command = new Command(action, description) { ids, search, group, all };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var chosen = r.GetValue(ids) is { Length: > 0 } some ? some : null;
            WriteJson(await client.PostAsync($"/api/failures/{action}", new { ids = chosen, q = r.GetValue(search), group = r.GetValue(group), all = r.GetValue(all) }, ct));
            return 0;
        });
        return command;
    }

    private static Command Export()
    {
        var (search, state) = (Search(), State());
        var command = new Command("export", "All that match, one JSON object per line, to standard output.") { search, state };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            await using var from = await client.StreamAsync("/api/failures/export" + Query(("q", r.GetValue(search)), ("state", r.GetValue(state))), ct);
            await using var to = Console.OpenStandardOutput();
            await from.CopyToAsync(to, ct);
            return 0;
        });
        return command;
    }

    private static Command Note()
    {
        var group = new Argument<string>("group");
        var text = new Argument<string>("text");
        var command = new Command("note", "Keep a note with a group.") { group, text };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            await client.SendAsync(HttpMethod.Put, $"/api/failures/groups/{Uri.EscapeDataString(r.GetValue(group)!)}/note", new { note = r.GetValue(text) }, ct);
            return 0;
        });
        return command;
    }

    private static Command Automatic()
    {
        var what = new Argument<string?>("what") { Description = "pause or resume; without it, the state is shown.", Arity = ArgumentArity.ZeroOrOne };
        what.AcceptOnlyFromAmong("pause", "resume");
        var command = new Command("automatic", "Automatic later retries of transient failures.") { what };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            WriteJson(r.GetValue(what) is { } change
                ? await client.SendAsync(HttpMethod.Put, "/api/retries/automatic", new { paused = change == "pause" }, ct)
                : await client.GetAsync<JsonNode>("/api/retries/automatic", ct));
            return 0;
        });
        return command;
    }
}
