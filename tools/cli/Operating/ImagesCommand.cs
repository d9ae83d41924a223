using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using static ImageSearch.Cli.Operating.OperatorClient;

namespace ImageSearch.Cli.Operating;

/// <summary><c>imagesearch images show|reprocess</c>.</summary>
public static class ImagesCommand
{
    public static Command Create()
    {
        var what = new Argument<string>("image") { Description = "Key, id (64 hexadecimal digits) or number." };
        var json = new Option<bool>("--json") { Description = "The operator's answer as it is." };
        var show = new Command("show", "A picture's whole way, where it is stuck and why. Exit code 1 if it is not complete.") { what, json };
        show.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            var view = await client.GetAsync<JsonNode>("/api/pictures" + Query(("q", r.GetValue(what))), ct);
            if (r.GetValue(json))
            {
                WriteJson(view);
            }
            else
            {
                Write(view);
            }

            return view["complete"]!.GetValue<bool>() ? 0 : 1;
        });

        var number = new Argument<long>("image") { Description = "Number, as `images show` gives it." };
        var stage = new Argument<string>("stage") { Description = "encode, embed or caption." };
        stage.AcceptOnlyFromAmong("encode", "embed", "caption");
        var force = new Option<bool>("--force") { Description = "Although the result is there." };
        var reprocess = new Command("reprocess", "Have a stage done again for one picture.") { number, stage, force };
        reprocess.SetAction(async (r, ct) =>
        {
            using var client = new OperatorClient();
            await client.PostAsync($"/api/pictures/{r.GetValue(number)}/reprocess", new { stage = r.GetValue(stage), force = r.GetValue(force) }, ct);
            return 0;
        });
        return new Command("images", "Single pictures.") { show, reprocess };
    }

    private static void Write(JsonNode view)
    {
        if (view["picture"] is { } p)
        {
            Console.WriteLine($"Image {p["image"]}, {p["imageId"]}\n{p["format"]} {p["width"]} x {p["height"]}, {p["bytes"]} bytes");
            foreach (var key in p["keys"]!.AsArray())
            {
                Console.WriteLine($"  {key!["bucket"]}/{key["key"]}");
            }

            if (p["texts"] is { } t)
            {
                Console.WriteLine($"{t["caption"]}  [{string.Join(", ", t["tags"]!.AsArray().Select(x => x!.ToString()))}]");
            }
        }

        var way = Table("stage", "state", "at", "seconds", "why");
        foreach (var s in view["way"]!.AsArray())
        {
            way.AddRow(Cell(s!["stage"]), Cell(s["state"]), Cell(s["at"]), s["seconds"] is { } x ? $"{x.GetValue<double>():0.0}" : "", Cell(s["why"], 200));
        }

        AnsiConsole.Write(way);
        foreach (var e in view["events"]!.AsArray())
        {
            Console.WriteLine($"{e!["at"]}  {e["stage"],-10} {e["key"]} {e["detail"]}");
        }

        foreach (var f in view["failures"]!.AsArray())
        {
            Console.WriteLine($"failure {f!["id"]} ({f["state"]}) in {f["endpoint"]}: {f["exceptionType"]}: {f["exceptionMessage"]}");
        }
    }
}
