using System.CommandLine;
using ImageSearch.Catalog.Operations;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>imagesearch retries list|show|messages|pause|resume|cancel</c>.</summary>
public static class RetriesCommand
{
    public static Command Create()
    {
        var command = new Command("retries", "Messages on their way again.");
        var json = new Option<bool>("--json");
        var list = new Command("list", "Retries, latest first.") { json };
        list.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var retries = await client.GetAsync<RetrySummary[]>("/api/retries", ct);
            if (r.GetValue(json))
            {
                WriteJson(retries);
                return 0;
            }

            var table = Table("id", "kind", "messages", "state", "done", "failed", "out", "waiting", "by", "when", "reason");
            foreach (var t in retries)
            {
                table.AddRow(t.Id.ToString(), t.Kind, Cell(t.Selection), t.State, $"{t.Succeeded}/{t.Total}", t.Failed.ToString(), t.Out.ToString(), t.Pending.ToString(), Cell(t.Actor), $"{t.CreatedAt:u}", Cell(t.Reason));
            }

            AnsiConsole.Write(table);
            return 0;
        });
        command.Add(list);

        var shown = new Argument<long>("id");
        var showJson = new Option<bool>("--json");
        var show = new Command("show", "Watch a retry to its end.") { shown, showJson };
        show.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            return await WatchAsync(client, r.GetValue(shown), r.GetValue(showJson), ct);
        });
        command.Add(show);
        command.Add(Messages());
        foreach (var action in (string[])["pause", "resume", "cancel"])
        {
            var id = new Argument<long>("id");
            var change = new Command(action) { id };
            change.SetAction(async (r, ct) =>
            {
                using var client = new OperatorClient();
                await client.PostAsync($"/api/retries/{r.GetValue(id)}/{action}", null, ct);
                return 0;
            });
            command.Add(change);
        }

        return command;
    }

    private static Command Messages()
    {
        var id = new Argument<long>("id");
        var json = new Option<bool>("--json");
        var command = new Command("messages", "What became of each message of a retry. Exit code 1 if one failed again.") { id, json };
        command.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            List<RetryItem> items = [];
            while (await client.GetAsync<RetryItem[]>($"/api/retries/{r.GetValue(id)}/items" + Query(("after", items.LastOrDefault()?.Failure), ("limit", 500)), ct) is { Length: > 0 } page)
            {
                items.AddRange(page);
            }

            if (r.GetValue(json))
            {
                WriteJson(items);
            }
            else
            {
                var table = Table("failure", "batch", "state", "sent", "decided", "by", "sends");
                foreach (var i in items)
                {
                    table.AddRow(i.Failure.ToString(), (i.Batch + 1).ToString(), i.State, $"{i.SentAt:u}", $"{i.DecidedAt:u}", Cell(i.DecidedBy), i.Sends.ToString());
                }

                AnsiConsole.Write(table);
            }

            return items.Exists(i => i.State == "failed") ? 1 : 0;
        });
        return command;
    }

    /// <summary>Shows progress until every message of a retry has its outcome.</summary>
    /// <returns>1 if any failed again or was not sent.</returns>
    internal static async Task<int> WatchAsync(OperatorClient client, long id, bool json, CancellationToken ct)
    {
        async Task<RetrySummary> ReadAsync() => await client.GetAsync<RetrySummary>($"/api/retries/{id}", ct);
        static bool Open(RetrySummary r) => r.State == "running" || r.Out > 0;
        var retry = await ReadAsync();
        if (json || Console.IsOutputRedirected)
        {
            while (Open(retry))
            {
                await Task.Delay(500, ct);
                retry = await ReadAsync();
            }
        }
        else
        {
            await AnsiConsole.Progress().StartAsync(async progress =>
            {
                var bar = progress.AddTask($"retry {id}", maxValue: Math.Max(1, retry.Total));
                while (true)
                {
                    bar.Value = retry.Total - retry.Pending - retry.Out;
                    bar.Description = $"retry {id}, batch {retry.Batch + 1} of {retry.Batches}: {retry.Succeeded} done, {retry.Failed} failed";
                    if (!Open(retry))
                    {
                        return;
                    }

                    await Task.Delay(500, ct);
                    retry = await ReadAsync();
                }
            });
        }

        if (json)
        {
            WriteJson(retry);
        }
        else
        {
            Console.WriteLine($"Retry {id} is {retry.State}: {retry.Succeeded} of {retry.Total} done, {retry.Failed} failed again, {retry.Cancelled} not sent. {retry.Reason}");
        }

        return retry.Succeeded == retry.Total ? 0 : 1;
    }
}
