using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using ImageSearch.Inference;
using ImageSearch.Inference.Tuning;
using Spectre.Console;

namespace ImageSearch.Cli.Models;

/// <summary><c>imagesearch models tune --pairs FILE</c>: a correction of the active model from pairs of the user's own, kept only if it helps on pairs it has not seen.</summary>
public static partial class TuneCommand
{
    /// <summary>Nothing was wrong, but nothing was gained.</summary>
    private const int NotImproved = 2;

    public static Command Create()
    {
        var pairs = new Option<string>("--pairs") { Description = "CSV of image,text: the picture's SHA-256 or upload key, and what it shows.", Required = true };
        var name = new Option<string?>("--name") { Description = "Name of the tuned model; the active one's with -tuned without it." };
        var holdout = new Option<double>("--holdout") { Description = "Share of the pictures to judge on, 0.1 to 0.5.", DefaultValueFactory = _ => 0.2 };
        var dryRun = new Option<bool>("--dry-run") { Description = "Fit and judge, write nothing." };
        var command = new Command("tune", "Fit a correction of the active model to your own pairs; a new model version if held-out search improves.") { pairs, name, holdout, dryRun };
        command.SetAction((r, ct) => RunAsync(r.GetValue(pairs)!, r.GetValue(name), r.GetValue(holdout), r.GetValue(dryRun), ct));
        return command;
    }

    private static async Task<int> RunAsync(string file, string? name, double holdout, bool dryRun, CancellationToken ct)
    {
        if (holdout is not (>= 0.1 and <= 0.5) || (name is not null && !ModelName().IsMatch(name)))
        {
            throw new CliException("--holdout is between 0.1 and 0.5, and --name is made of a-z, 0-9, dots, dashes and underscores.");
        }

        if (!File.Exists(file))
        {
            throw new CliException($"There is no file {file}.");
        }

        using var text = new StreamReader(file);
        var lines = PairFile.Read(text);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "tune");
        var active = (await new EmbeddingCatalog(db).ModelsAsync(ct)).FirstOrDefault(m => m.State == "active")
            ?? throw new CliException("No embedding model is active. Prepare the system with `./imagesearch up`.");
        using var model = EmbeddingModel.Open(CliSettings.Models, active.Name);
        var stored = new StoredVectors(db);
        var sample = await stored.SampleAsync(active.Id, 2 * (Tuner.MaxDistractors + Tuner.InnerDistractors), ct);
        var pairs = await JoinAsync(lines, stored, active, model, ct);
        Console.WriteLine($"{pairs.Count} pairs of {pairs.DistinctBy(p => p.Image).Count()} pictures, {sample.Count} stored vectors of {active.Name}. Fitting takes seconds to minutes.");

        var outcome = await Task.Run(() => Tuner.Tune(pairs, [.. sample.Select(s => new StoredPicture(s.Key, s.Value))], model.LogitScale, holdout, new Lines(), ct), ct);
        Show(outcome);
        if (!outcome.Improved)
        {
            Console.WriteLine($"No model was made: {Reason(outcome)}. {active.Name} stays as it is.");
            return NotImproved;
        }

        var gain = string.Create(CultureInfo.InvariantCulture,
            $"MRR rises by {outcome.Of("MRR").Difference:0.0000}, R@10 by {100 * outcome.Of("R@10").Difference:0.0} points on {outcome.HeldOutPairs} pairs that it has not seen");
        if (dryRun)
        {
            Console.WriteLine($"{gain}. Nothing was written (--dry-run).");
            return 0;
        }

        var mean = Mean(sample.Values, outcome.Correction!);
        var made = TunedModel.Write(CliSettings.Models.Directory, model.Manifest, name ?? TunedModel.DefaultName(model.Name), outcome.Correction!, mean, Report(outcome));
        Console.WriteLine($"{made.Id} was made: {gain}.");
        Console.WriteLine($"It lies in {made.Directory}; services on other machines need that folder too. Fill and activate it with `imagesearch models fill {made.Id}` and `imagesearch models activate {made.Id}`.");
        return 0;
    }

    private static async Task<List<TuningPair>> JoinAsync(IReadOnlyList<PairLine> lines, StoredVectors stored, RegisteredModel active, EmbeddingModel model, CancellationToken ct)
    {
        var images = await stored.FindAsync([.. lines.Select(l => l.Image).Distinct()], ct);
        var vectors = await stored.OfAsync(active.Id, [.. images.Values.Distinct()], ct);
        PairFile.ThrowIfAny([.. lines.Select(l => !images.TryGetValue(l.Image, out var image) ? $"line {l.Line}: no picture has the id or upload key '{l.Image}'"
            : !vectors.ContainsKey(image) ? $"line {l.Line}: picture '{l.Image}' has no vector under {active.Name} yet" : null).OfType<string>()]);
        List<TuningPair> pairs = [];
        foreach (var (image, text) in lines.Select(l => (images[l.Image], l.Text)).Distinct())
        {
            ct.ThrowIfCancellationRequested();
            pairs.Add(new(image, text, vectors[image], model.Text.EncodeQuery(text)));
        }

        return pairs;
    }

    private static void Show(TuningOutcome outcome)
    {
        var repeated = outcome.RepeatedTexts > 0 ? $" ({outcome.RepeatedTexts} of them with a text that a training picture has too)" : "";
        Console.WriteLine($"Chosen on the training pictures: {outcome.Method}.");
        Console.WriteLine($"Judged once, on {outcome.HeldOutPairs} held-out pairs of {outcome.HeldOutPictures} pictures{repeated}, each text against {outcome.Gallery} pictures:");
        var table = new Table().Border(TableBorder.Simple).AddColumns("text to picture", "before", "after", "gain", "90 % interval", "by chance");
        foreach (var g in outcome.Gains)
        {
            table.AddRow(g.Measure, Number(g.Before), Number(g.After), Number(g.Difference), $"{Number(g.Low)} to {Number(g.High)}", Number(g.Chance));
        }

        AnsiConsole.Write(table);
    }

    private static string Reason(TuningOutcome outcome) => outcome.Correction is null ? "no correction did better than the model as it is, on a split inside the training pictures"
        : outcome.Of("R@10").Difference < 0 ? "R@10 on the held-out pairs falls"
        : "the gain in MRR on the held-out pairs is not certain enough (its 90 % interval must lie above zero and chance explain it in at most 2 of 100 cases; more pairs help)";

    private static float[] Mean(IEnumerable<float[]> vectors, LinearCorrection correction)
    {
        var corrected = vectors.Select(v => correction.Apply(v)).ToArray();
        return [.. Enumerable.Range(0, correction.Dimensions).Select(d => corrected.Average(v => v[d]))];
    }

    private static JsonObject Report(TuningOutcome outcome) => new()
    {
        ["method"] = outcome.Method,
        ["share"] = Math.Round(outcome.Share, 2),
        ["trainingPairs"] = outcome.TrainingPairs,
        ["heldOutPairs"] = outcome.HeldOutPairs,
        ["gallery"] = outcome.Gallery,
        ["cosineToBase"] = Math.Round(outcome.Similarity, 4),
        ["gains"] = new JsonArray([.. outcome.Gains.Select(g => (JsonNode)new JsonObject
        {
            ["measure"] = g.Measure,
            ["before"] = Math.Round(g.Before, 4),
            ["after"] = Math.Round(g.After, 4),
            ["chance"] = Math.Round(g.Chance, 4),
            ["interval90"] = new JsonArray(Math.Round(g.Low, 4), Math.Round(g.High, 4)),
        })]),
    };

    private static string Number(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]*$")]
    private static partial Regex ModelName();

    /// <summary>Written at once, in order; <see cref="Progress{T}"/> would post to the thread pool.</summary>
    private sealed class Lines : IProgress<string>
    {
        public void Report(string value) => Console.WriteLine(value);
    }
}
