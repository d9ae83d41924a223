using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using Spectre.Console;

namespace ImageSearch.Cli.Models;

/// <summary><c>imagesearch models index [MODEL --kind half|binary]</c>: how the vectors of each model are indexed, and changing it while search goes on.</summary>
public static class IndexCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("model") { Description = "name/version; without it the indexes of all models are shown.", Arity = ArgumentArity.ZeroOrOne };
        var kind = new Option<VectorIndexKind?>("--kind") { Description = "half: HNSW over half-precision vectors; binary: HNSW over one bit a dimension, a quarter of the size, ranked again by the vectors." };
        var rebuild = new Option<bool>("--rebuild") { Description = "Build anew what is there: for binary codes against the model's mean as it is now." };
        var memory = new Option<int>("--memory") { Description = "Most megabytes that building may take.", DefaultValueFactory = _ => VectorIndexBuild.Default.Megabytes };
        var command = new Command("index", "How vectors are indexed; --kind builds another index, concurrently, and drops the one before.") { name, kind, rebuild, memory };
        command.SetAction((r, ct) => RunAsync(r.GetValue(name), r.GetValue(kind), r.GetValue(rebuild), r.GetValue(memory), ct));
        return command;
    }

    private static async Task<int> RunAsync(string? name, VectorIndexKind? kind, bool rebuild, int memory, CancellationToken ct)
    {
        if (name is null && (kind is not null || rebuild))
        {
            throw new CliException("Name the model whose index is to change: imagesearch models index NAME/VERSION --kind half|binary.");
        }

        if (memory is < 64 or > 1_000_000)
        {
            throw new CliException("--memory is a number of megabytes between 64 and 1,000,000.");
        }

        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "index");
        var models = await new EmbeddingCatalog(db).ModelsAsync(ct);
        var chosen = name is null ? models : [.. models.Where(m => m.Name == name)];
        if (chosen.Count == 0)
        {
            throw new CliException(name is null ? "No embedding model is registered yet." : $"No model {name} is registered. Fill it first: imagesearch models fill {name}.");
        }

        var indexes = new VectorIndexCatalog(db);
        if (kind is not null || rebuild)
        {
            var start = Stopwatch.GetTimestamp();
            var index = await indexes.BuildAsync(chosen[0], kind ?? await indexes.KindAsync(chosen[0].Id, ct), new(Rebuild: rebuild, Megabytes: memory), ct);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{index.Name} is whole ({Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s). Queries take it within five seconds."));
        }

        var table = new Table().Border(TableBorder.Simple).AddColumns("model", "state", "index", "MB");
        foreach (var model in chosen)
        {
            var ready = await indexes.ReadyAsync(model, ct);
            var bytes = (await Task.WhenAll(ready.Select(i => indexes.BytesAsync(i, ct)))).Sum();
            var kinds = ready.Count == 0 ? "none: exact scan" : string.Join(", ", ready.Select(i => i.Kind == VectorIndexKind.Half ? "half" : "binary"));
            table.AddRow(Markup.Escape(model.Name), model.State, kinds, (bytes / 1e6).ToString("F1", CultureInfo.InvariantCulture));
        }

        AnsiConsole.Write(table);
        return 0;
    }
}
