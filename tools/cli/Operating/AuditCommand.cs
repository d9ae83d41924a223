using System.CommandLine;
using ImageSearch.Catalog.Operations;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>imagesearch audit [--deep] [--repair]</c>, <c>audit list|show|cancel</c>.</summary>
public static class AuditCommand
{
    private sealed record Report(AuditState Audit, FindingCount[] Findings);

    public static Command Create()
    {
        var deep = new Option<bool>("--deep") { Description = "Also read every bitstream: SHA-256 and decoding." };
        var repair = new Option<bool>("--repair") { Description = "Repair what is found." };
        var grace = new Option<int?>("--grace") { Description = "Seconds; younger things are still on their way and no findings." };
        var noWait = new Option<bool>("--no-wait") { Description = "Start it and leave; `audit show` tells how far it is." };
        var json = new Option<bool>("--json") { Description = "Report as JSON." };
        var command = new Command("audit", "Compare store, catalogue, bitstreams, vectors and texts. Exit code 1 if something is left to repair.") { deep, repair, grace, noWait, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var started = (await client.PostAsync("/api/audits", new { deep = r.GetValue(deep), repair = r.GetValue(repair), graceSeconds = r.GetValue(grace) }, ct))!;
            var id = started["audit"]!.GetValue<long>();
            if (r.GetValue(noWait))
            {
                WriteJson(started);
                return 0;
            }

            return await WatchAsync(client, id, r.GetValue(json), ct);
        });

        var listJson = new Option<bool>("--json");
        var list = new Command("list", "Audits, latest first.") { listJson };
        list.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var audits = await client.GetAsync<AuditState[]>("/api/audits", ct);
            if (r.GetValue(listJson))
            {
                WriteJson(audits);
                return 0;
            }

            var table = Table("id", "state", "phase", "checked", "deep", "repair", "by", "started", "finished");
            foreach (var a in audits)
            {
                table.AddRow(a.Id.ToString(), a.State, a.Phase, $"{a.Checked:N0}", a.Deep.ToString(), a.Repair.ToString(), Cell(a.Actor), $"{a.StartedAt:u}", $"{a.FinishedAt:u}");
            }

            AnsiConsole.Write(table);
            return 0;
        });
        command.Add(list);

        var shown = new Argument<long?>("id") { Arity = ArgumentArity.ZeroOrOne, Description = "The last one without it." };
        var kind = new Option<string?>("--kind") { Description = "Only findings of this kind." };
        var showJson = new Option<bool>("--json");
        var show = new Command("show", "Findings of an audit.") { shown, kind, showJson };
        show.SetAction((r, ct) => ShowAsync(r.GetValue(shown), r.GetValue(kind), r.GetValue(showJson), ct));
        command.Add(show);

        var id = new Argument<long>("id");
        var cancel = new Command("cancel", "End an audit.") { id };
        cancel.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            await client.PostAsync($"/api/audits/{r.GetValue(id)}/cancel", null, ct);
            return 0;
        });
        command.Add(cancel);
        return command;
    }

    private static async Task<int> ShowAsync(long? id, string? kind, bool json, CancellationToken ct)
    {
        using var client = new OperatorClient();
        id ??= (await client.GetAsync<AuditState[]>("/api/audits?limit=1", ct)).FirstOrDefault()?.Id ?? throw new CliException("There was no audit yet; `imagesearch audit` starts one.");
        var report = await client.GetAsync<Report>($"/api/audits/{id}", ct);
        List<Finding> findings = [];
        while (await client.GetAsync<Finding[]>($"/api/audits/{id}/findings" + Query(("kind", kind), ("after", findings.LastOrDefault()?.Id), ("limit", 500)), ct) is { Length: > 0 } page)
        {
            findings.AddRange(page);
        }

        if (json)
        {
            WriteJson(new { report.Audit, Counts = report.Findings, Findings = findings });
        }
        else
        {
            var table = Table("kind", "picture", "key", "what", "repair");
            foreach (var f in findings)
            {
                table.AddRow(f.Kind, Cell(f.Image), Cell(f.Key ?? f.Model, 80), Cell(f.Detail, 80), Cell(f.Repair));
            }

            AnsiConsole.Write(table);
        }

        return ExitCode(report);
    }

    private static async Task<int> WatchAsync(OperatorClient client, long id, bool json, CancellationToken ct)
    {
        async Task<Report> ReadAsync() => await client.GetAsync<Report>($"/api/audits/{id}", ct);
        static bool Open(Report r) => r.Audit.State is "running" or "repairing";
        var report = await ReadAsync();
        if (json || Console.IsOutputRedirected)
        {
            while (Open(report))
            {
                await Task.Delay(500, ct);
                report = await ReadAsync();
            }
        }
        else
        {
            await AnsiConsole.Progress().StartAsync(async progress =>
            {
                var bar = progress.AddTask($"audit {id}");
                while (Open(report))
                {
                    bar.MaxValue = Math.Max(1, Math.Max(report.Audit.Total, report.Audit.Checked));
                    bar.Value = report.Audit.Checked;
                    bar.Description = $"audit {id}: {(report.Audit.State == "repairing" ? "repairs" : report.Audit.Phase)}, {report.Audit.Checked:N0} compared, {report.Findings.Sum(f => f.Found):N0} findings";
                    await Task.Delay(500, ct);
                    report = await ReadAsync();
                }

                bar.Value = bar.MaxValue;
            });
        }

        if (json)
        {
            WriteJson(report);
        }
        else if (report.Findings.Length == 0)
        {
            Console.WriteLine($"Audit {id}: {report.Audit.Checked:N0} things compared, nothing is missing or too much.");
        }
        else
        {
            var table = Table("kind", "found", "repaired");
            foreach (var f in report.Findings)
            {
                table.AddRow(f.Kind, f.Found.ToString(), f.Repaired.ToString());
            }

            AnsiConsole.Write(table);
            Console.WriteLine($"`imagesearch audit show {id}` lists them.");
        }

        return ExitCode(report);
    }

    private static int ExitCode(Report report) => report.Audit.State is "failed" or "cancelled" || report.Findings.Any(f => f.Found > f.Repaired) ? 1 : 0;
}
