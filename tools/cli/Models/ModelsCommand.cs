using System.CommandLine;
using ImageSearch.Inference;
using ImageSearch.Models;
using Spectre.Console;

namespace ImageSearch.Cli.Models;

/// <summary><c>imagesearch models list|check|add|tune|index</c>: the model files of this machine, and the indexes of their vectors.</summary>
public static class ModelsCommand
{
    public static Command Create()
    {
        var command = new Command("models", "The models in Models:Directory, and which of them answers queries.");
        var list = new Command("list", "Models on disk.");
        list.SetAction(_ => List());
        command.Add(list);

        var id = new Argument<string?>("model") { Description = "name/version; all without it.", Arity = ArgumentArity.ZeroOrOne };
        var check = new Command("check", "Check hashes and run the model's own test cases.") { id };
        check.SetAction((r, ct) => CheckAsync(r.GetValue(id), ct));
        command.Add(check);

        var folder = new Argument<string>("folder") { Description = "Folder with a manifest.json." };
        var add = new Command("add", "Check a model and copy it into Models:Directory.") { folder };
        add.SetAction((r, ct) => AddAsync(r.GetValue(folder)!, ct));
        command.Add(add);
        command.Add(TuneCommand.Create());
        command.Add(IndexCommand.Create());
        return command;
    }

    private static int List()
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("model", "kind", "MB", "description");
        foreach (var m in ModelManifest.LoadAll(CliSettings.Models.Directory))
        {
            table.AddRow(Markup.Escape(m.Id), Markup.Escape(m.Kind), $"{m.Files.Values.Sum(f => f.Bytes) / 1e6:0.0}", Markup.Escape(m.Description ?? ""));
        }

        AnsiConsole.Write(table);
        return 0;
    }

    private static async Task<int> CheckAsync(string? id, CancellationToken ct)
    {
        var directory = CliSettings.Models.Directory;
        var failed = 0;
        foreach (var manifest in id is null ? ModelManifest.LoadAll(directory) : [ModelManifest.Load(directory, id)])
        {
            try
            {
                manifest.VerifyFiles();
                Console.WriteLine($"{manifest.Id}: {manifest.Files.Count} files are as the manifest says; {await RunCasesAsync(manifest, ct)}");
            }
            catch (ModelException e)
            {
                failed++;
                Console.Error.WriteLine($"{manifest.Id}: {e.Message}");
            }
        }

        return failed == 0 ? 0 : 1;
    }

    private static async Task<string> RunCasesAsync(ModelManifest manifest, CancellationToken ct)
    {
        if (manifest.Kind != "embedding")
        {
            return "this kind has no cases";
        }

        var results = await ModelCheck.RunAsync(manifest, CliSettings.Models, ct);
        var failed = results.Where(r => !r.Passed).ToList();
        return failed.Count == 0
            ? $"{results.Count} test cases pass"
            : throw new ModelException(string.Join(" ", failed.Select(f => $"{f.Name}: {f.Detail}")));
    }

    private static async Task<int> AddAsync(string folder, CancellationToken ct)
    {
        var manifest = ModelManifest.Load(folder);
        manifest.VerifyFiles();
        await RunCasesAsync(manifest, ct);
        var target = Path.Combine(CliSettings.Models.Directory, manifest.Name, manifest.Version);
        if (Directory.Exists(target))
        {
            throw new CliException($"Model {manifest.Id} is there already ({target}). Versions never change: give the new one another version.");
        }

        // Copied beside and moved, so that a half-copied model is never seen.
        var part = target + ".part";
        Directory.CreateDirectory(part);
        foreach (var file in manifest.Files.Values.Select(f => f.Path).Append("manifest.json"))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(part, file))!);
            File.Copy(Path.Combine(folder, file), Path.Combine(part, file), overwrite: true);
        }

        Directory.Move(part, target);
        Console.WriteLine($"{manifest.Id} was added. Fill and activate it with `imagesearch models fill {manifest.Id}` and `imagesearch models activate {manifest.Id}`.");
        return 0;
    }
}
