using System.CommandLine;
using System.Text.Json.Nodes;
using ImageSearch.Catalog.Operations;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>imagesearch pipeline [--watch]</c>, <c>pipeline pause|resume QUEUE</c>, <c>pipeline log</c>.</summary>
public static class PipelineCommand
{
    public static Command Create()
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Show it anew every 2 s." };
        var json = new Option<bool>("--json") { Description = "The operator's answer as it is." };
        var command = new Command("pipeline", "Backlog, rates, age and failures of every stage. Exit code 1 if there are warnings.") { watch, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var state = await client.GetAsync<JsonNode>("/api/pipeline", ct);
            if (r.GetValue(json))
            {
                WriteJson(state);
            }
            else if (!r.GetValue(watch) || Console.IsOutputRedirected)
            {
                AnsiConsole.Write(View(state));
            }
            else
            {
                await AnsiConsole.Live(View(state)).StartAsync(async live =>
                {
                    while (!ct.IsCancellationRequested)
                    {
                        await Task.Delay(2000, ct);
                        live.UpdateTarget(View(await client.GetAsync<JsonNode>("/api/pipeline", ct)));
                    }
                });
            }

            return state["warnings"]!.AsArray().Count == 0 ? 0 : 1;
        });
        foreach (var (action, description) in (IEnumerable<(string, string)>)[("pause", "Let a stage finish what it has in hand and take nothing more."), ("resume", "Let a stage go on.")])
        {
            var queue = new Argument<string>("queue") { Description = "As the pipeline view names it, for instance captioner." };
            var change = new Command(action, description) { queue };
            change.SetAction(async (r, ct) =>
            {
                using var client = new OperatorClient();
                await client.PostAsync($"/api/pipeline/{Uri.EscapeDataString(r.GetValue(queue)!)}/{action}", null, ct);
                return 0;
            });
            command.Add(change);
        }

        var logJson = new Option<bool>("--json");
        var log = new Command("log", "Who did what and when.") { logJson };
        log.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var lines = await client.GetAsync<LogLine[]>("/api/log?limit=100", ct);
            if (r.GetValue(logJson))
            {
                WriteJson(lines);
                return 0;
            }

            var table = Table("when", "who", "what", "to", "detail");
            foreach (var l in lines)
            {
                table.AddRow($"{l.At:u}", Cell(l.Actor), Cell(l.Action), Cell(l.Subject), Cell(l.Detail));
            }

            AnsiConsole.Write(table);
            return 0;
        });
        command.Add(log);
        return command;
    }

    private static Rows View(JsonNode state)
    {
        var table = Table("queue", "waiting", "in hand", "workers", "in/s", "out/s", "oldest", "empty in", "failed", "");
        foreach (var s in state["stages"]!.AsArray())
        {
            table.AddRow(Cell(s!["queue"]), Cell(s["backlog"]), Cell(s["inFlight"]), Cell(s["workers"]), Number(s["inPerSecond"]), Number(s["outPerSecond"]),
                Span(s["oldestSeconds"]), Span(s["secondsToEmpty"]), Cell(s["failed"]), s["paused"]!.GetValue<bool>() ? "paused by " + Cell(s["pausedBy"]) : "");
        }

        var p = state["pictures"]!;
        return new Rows([
            table,
            new Markup($"{p["images"]} pictures: {p["encoded"]} encoded, {p["embedded"]} embedded, {p["captioned"]} captioned, {p["searchable"]} searchable; {p["rejected"]} objects refused; {state["failedMessages"]} failed messages"),
            .. state["warnings"]!.AsArray().Select(w => new Markup($"[yellow]{Markup.Escape(w!.ToString())}[/]")),
        ]);
    }

    private static string Number(JsonNode? value) => value is null ? "" : $"{value.GetValue<double>():0.0}";

    private static string Span(JsonNode? seconds) => seconds?.GetValue<double>() switch
    {
        null => "",
        < 120 and var s => $"{s:0} s",
        < 7200 and var s => $"{s / 60:0} min",
        var s => $"{s / 3600:0.0} h",
    };
}
