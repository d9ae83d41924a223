using System.CommandLine;
using System.Diagnostics;
using ImageSearch.Evaluation;
using ImageSearch.Evaluation.Loaders;
using ImageSearch.Evaluation.Report;
using ImageSearch.Hosting;
using ImageSearch.Models;

namespace ImageSearch.Cli.Evaluation;

/// <summary><c>imagesearch eval --data FOLDER</c>: how well the running system finds what data sets with known answers ask for.</summary>
public static class EvalCommand
{
    public static Command Create()
    {
        var data = new Option<string[]>("--data") { Description = "Data sets, or folders that hold some: a folder per class, captions.txt, COCO, PASCAL VOC, Oxford/Paris, or plain pictures.", AllowMultipleArgumentsPerToken = true };
        var gallery = new Option<string?>("--gallery") { Description = "A folder of further pictures that are right for no query, to make each set harder." };
        var quick = new Option<bool>("--quick") { Description = "Ask a sample of the queries." };
        var pictures = new Option<int>("--pictures") { Description = "Pictures of each set at most (a sample, the same one each time).", DefaultValueFactory = _ => int.MaxValue };
        var output = new Option<string>("--out") { Description = "Markdown report; plots and figures as JSON go to a folder of the same name beside it.", DefaultValueFactory = _ => "docs/evaluation.md" };
        var store = new Option<bool>("--store-weight") { Description = "Put the weight of resemblance that these sets are best answered with into the active model's manifest; the query service reads it when it next opens the model." };
        var keep = new Option<bool>("--keep") { Description = "Leave the pictures in the store (under eval/NAME/)." };
        var parallel = new Option<int>("--parallel") { Description = "Uploads and queries at once.", DefaultValueFactory = _ => 4 };
        var gate = new Option<string?>("--gate") { Description = "Measure nothing: read figures from an earlier run's results.json, and end with 2 if fusion loses more than half a point to its better leg." };
        var command = new Command("eval", "Measure how well the running system finds pictures, on data sets with known answers.") { data, gallery, quick, pictures, output, store, keep, parallel, gate };
        command.SetAction((r, ct) => r.GetValue(gate) is { } results ? Task.FromResult(Gate(results))
            : RunAsync(r.GetValue(data) ?? [], r.GetValue(gallery), r.GetValue(quick), Math.Max(1, r.GetValue(pictures)), r.GetValue(output)!, r.GetValue(store), r.GetValue(keep), Math.Clamp(r.GetValue(parallel), 1, 16), ct));
        return command;
    }

    private static async Task<int> RunAsync(string[] data, string? gallery, bool quick, int pictures, string output, bool storeWeight, bool keep, int parallel, CancellationToken ct)
    {
        if (data.Length == 0)
        {
            throw new CliException("Name a folder with data sets: --data FOLDER.");
        }

        var origin = RunOrigin.Now($"./imagesearch eval --data {string.Join(' ', data.Select(NameOf))}{(gallery is null ? "" : " --gallery " + NameOf(gallery))}{(quick ? " --quick" : "")}{(pictures < int.MaxValue ? FormattableString.Invariant($" --pictures {pictures}") : "")}", TimeProvider.System);
        var (sets, further) = Open(data, gallery);
        using var store = new ObjectStore(CliSettings.ObjectStore);
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "eval");
        using var search = new SearchClient();
        List<SetResult> results = [];
        List<FusionTask> fused = [];
        var result = new EvaluationResult(origin, quick, results);

        // With descriptions last: their pictures must be new to the system, and by then those of the first round are mostly gone.
        var sampled = sets.Select(s => s.Sample(pictures)).ToArray();
        foreach (var set in sampled.Concat(keep ? [] : sampled.Select(s => s.Described()).OfType<EvaluationSet>()))
        {
            var start = Stopwatch.GetTimestamp();
            var stored = new StoredSet(store, db, set, further, parallel);
            try
            {
                await stored.UploadAsync(ct);
                var repeated = search.Repeated;
                var sizes = quick ? SampleSizes.Quick : SampleSizes.Full;
                var tasks = new RetrievalTasks(search, stored, sizes, parallel);
                var variants = new StoredVariants(db, store, stored, sizes);
                List<Measurement> measured = [];
                (string, Func<Task<IReadOnlyList<Measurement>>>) captions = ("captions", () => tasks.CaptionsAsync(ct));

                // Descriptions change what finds a picture by words, and nothing else.
                foreach (var (name, task) in set.Descriptions.Count > 0 ? [captions] : new (string, Func<Task<IReadOnlyList<Measurement>>>)[]
                {
                    captions, ("captions of pictures", () => ImageToText.MeasureAsync(db, stored, ct)),
                    ("labels", () => tasks.LabelsAsync(ct)), ("pictures", () => tasks.PicturesAsync(ct)), ("distorted pictures", () => tasks.DistortedAsync(ct)),
                    ("variants", () => variants.MeasureAsync(ct)),
                })
                {
                    Console.Error.WriteLine($"{set.Name}: {name} ({Stopwatch.GetElapsedTime(start).TotalSeconds:0} s)");
                    measured.AddRange(await task());
                }

                fused.AddRange(tasks.Fused);
                if (search.Repeated > repeated)
                {
                    stored.Remarks.Add($"{search.Repeated - repeated} answers were asked for again, because a leg was late or the service busy; none is counted without both legs.");
                }

                results.Add(new(set.Name, set.Format, set.Pictures.Count + further.Count, search.Model, stored.PicturesPerSecond, Stopwatch.GetElapsedTime(start).TotalSeconds, measured, stored.Remarks));

                // After each set: what is measured stays, should a later one fail.
                result = result with { Weight = FusionWeight.Fit(fused) };
                await EvaluationReport.WriteAsync(result, output, ct);
            }
            finally
            {
                if (!keep)
                {
                    await stored.RemoveAsync(CancellationToken.None);
                }
            }
        }

        Console.WriteLine($"written: {output}");
        if (result.Weight is { } fit && search.Model is { } model)
        {
            Console.WriteLine(FormattableString.Invariant($"best weight of resemblance: {fit.Weight:0.00} ({fit.Tried.Max(t => t.Share):0.0} % of the better legs)"));
            if (storeWeight)
            {
                ModelManifest.Load(CliSettings.Models.Directory, model).Store("denseWeight", fit.Weight);
                Console.WriteLine($"stored with {model}; restart the query service to use it.");
            }
        }

        foreach (var fault in FusionGate.Faults(result))
        {
            Console.WriteLine(fault);
        }

        return 0;
    }

    // Where the data lies on this machine says nothing to anyone else.
    private static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));

    private static (IReadOnlyList<EvaluationSet> Sets, IReadOnlyList<EvaluationPicture> Gallery) Open(string[] data, string? gallery)
    {
        try
        {
            return ([.. data.SelectMany(EvaluationSets.Open)], gallery is null ? [] : EvaluationSets.Plain(gallery).Pictures);
        }
        catch (EvaluationSetException e)
        {
            throw new CliException(e.Message);
        }
    }

    private static int Gate(string results)
    {
        if (!File.Exists(results))
        {
            throw new CliException($"There is no file {results}. `imagesearch eval` writes it beside its report.");
        }

        var faults = FusionGate.Faults(EvaluationResult.Read(results));
        foreach (var fault in faults)
        {
            Console.Error.WriteLine(fault);
        }

        if (faults.Count == 0)
        {
            Console.WriteLine("Fusion holds: on no set does it lose more than half a point to its better leg.");
        }

        return faults.Count == 0 ? 0 : 2;
    }
}
