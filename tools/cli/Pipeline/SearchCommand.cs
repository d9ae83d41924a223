using System.CommandLine;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ImageSearch.Cli.Pipeline;

/// <summary><c>imagesearch search "words" [--image FILE]</c>: the query service's answer as a table or as JSON.</summary>
public static class SearchCommand
{
    /// <summary>Relevance of the best hit below which it is not even called likely; the page has the same.</summary>
    private const double Unlikely = 0.1;

    public static Command Create()
    {
        var text = new Argument<string?>("text") { Description = "Words, with +must -not \"phrase\" tag:word prefix*.", Arity = ArgumentArity.ZeroOrOne };
        var image = new Option<string?>("--image") { Description = "A picture file as query, alone or with words." };
        var like = new Option<string?>("--like") { Description = "Id of a picture of the collection as query." };
        var not = new Option<string?>("--not") { Description = "What the pictures must not show." };
        var mode = new Option<string>("--mode") { Description = "hybrid, dense or lexical.", DefaultValueFactory = _ => "hybrid" };
        mode.AcceptOnlyFromAmong("hybrid", "dense", "lexical");
        var k = new Option<int>("--count", "-k") { Description = "Hits, 1 to 200.", DefaultValueFactory = _ => 10 };
        var explain = new Option<bool>("--explain") { Description = "Why each picture matched." };
        var json = new Option<bool>("--json") { Description = "The service's answer as it is." };
        var command = new Command("search", "Find pictures by words, by a picture, or by both.") { text, image, like, not, mode, k, explain, json };
        command.SetAction((r, ct) =>
        {
            var request = new JsonObject { ["k"] = r.GetValue(k), ["mode"] = r.GetValue(mode), ["explain"] = r.GetValue(explain) };
            Set(request, "text", r.GetValue(text));
            Set(request, "image", r.GetValue(like));
            Set(request, "negativeText", r.GetValue(not));
            return RunAsync(request, r.GetValue(image), r.GetValue(json), ct);
        });
        return command;
    }

    private static void Set(JsonObject request, string name, string? value)
    {
        if (!string.IsNullOrWhiteSpace(value))
        {
            request[name] = value;
        }
    }

    private static async Task<int> RunAsync(JsonObject request, string? imageFile, bool json, CancellationToken ct)
    {
        if (imageFile is not null && !File.Exists(imageFile))
        {
            throw new CliException($"There is no file {imageFile}.");
        }

        using var http = ServiceClient.Open("query");
        using HttpContent content = imageFile is null ? JsonContent.Create(request) : Multipart(request, await File.ReadAllBytesAsync(imageFile, ct));
        using var response = await http.PostAsync("/api/search", content, ct);
        var body = await response.Content.ReadAsStringAsync(ct);
        if (!response.IsSuccessStatusCode)
        {
            var problem = JsonNode.Parse(body);
            throw new CliException(problem?["errors"]?.ToJsonString() ?? problem?["detail"]?.ToString() ?? problem?["title"]?.ToString() ?? body);
        }

        if (json)
        {
            Console.WriteLine(body);
            return 0;
        }

        Print(JsonNode.Parse(body)!);
        return 0;
    }

    private static MultipartFormDataContent Multipart(JsonObject request, byte[] image) => new()
    {
        { new StringContent(request.ToJsonString(), Encoding.UTF8, "application/json"), "query" },
        { new ByteArrayContent(image) { Headers = { ContentType = new("application/octet-stream") } }, "image", "query" },
    };

    private static void Print(JsonNode answer)
    {
        var hits = answer["hits"]!.AsArray();
        if (answer["noGoodMatch"]?.GetValue<bool>() == true)
        {
            AnsiConsole.MarkupLine(hits.Count == 0 ? "[yellow]No match.[/]"
                : hits[0]!["relevance"]!.GetValue<double>() < Unlikely ? "[yellow]No good match; the nearest pictures are:[/]"
                : "[yellow]No sure match; the likeliest pictures are:[/]");
        }

        var table = new Table().Border(TableBorder.Simple).AddColumns("relevance", "picture", "text", "id");
        foreach (var hit in hits)
        {
            var picture = hit!["picture"]!;
            var tags = string.Join(", ", picture["tags"]!.AsArray().Take(6).Select(t => t!.ToString()));
            var caption = picture["caption"]?.ToString() is { Length: > 0 } c ? c : tags;
            table.AddRow($"{hit["relevance"]!.GetValue<double>():P0}", Markup.Escape(picture["key"]!.ToString()), Markup.Escape(Shorten(caption, 70)), hit["id"]!.ToString()[..12]);
            if (hit["explanation"] is JsonObject explanation)
            {
                table.AddRow("", "", Markup.Escape(Shorten(explanation.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }), 300)), "");
            }
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated($"[grey]{hits.Count} hits in {answer["milliseconds"]!.GetValue<double>():0} ms[/]");
    }

    private static string Shorten(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";
}
