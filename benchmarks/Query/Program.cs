using System.Globalization;
using ImageSearch.Benchmarks.Query;

// Usage, after `dotnet run -c Release --project benchmarks/Query --`; those with PICTURES need IMAGESEARCH_TEST_POSTGRES and drop their database unless `keep` ends the line:
//   embed MODELS MODEL FOLDER PREFIX [MOST]           labelled pictures (LABEL/picture, or ID_LABEL.jpg) to PREFIX.*, at most MOST of a label
//   calibrate MODELS MODEL PREFIX PREFIX [write]      fits and tests "no good match" on two such sets; write: into the model's manifest
//   background MODELS MODEL PREFIX FILE               every other picture of a set as the model's file of role `background`
//   latency MODELS PICTURES [QUERIES] [keep]
//   pictures MODELS PICTURES JPEG [keep]
//   junk MODELS PICTURES REQUESTS [keep]
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var keep = args is [.., "keep"];
switch (keep ? args[..^1] : args)
{
    case ["pictures", var models, var size, var file]:
        await PictureQuery.RunAsync(models, Number(size), file, keep);
        return 0;
    case ["junk", var models, var size, var count]:
        await Junk.RunAsync(models, Number(size), Number(count), keep);
        return 0;
    case ["embed", var models, var model, var folder, var prefix]:
        await EmbedAsync(models, model, folder, prefix, int.MaxValue);
        return 0;
    case ["embed", var models, var model, var folder, var prefix, var most]:
        await EmbedAsync(models, model, folder, prefix, Number(most));
        return 0;
    case ["calibrate", var models, var model, var one, var other]:
        Calibrate.Run(models, model, [one, other], write: false);
        return 0;
    case ["calibrate", var models, var model, var one, var other, "write"]:
        Calibrate.Run(models, model, [one, other], write: true);
        return 0;
    case ["background", var models, var model, var prefix, var file]:
        WriteBackground(models, model, prefix, file);
        return 0;
    case ["latency", var models, var size]:
        await Latency.RunAsync(models, Number(size), 2_000, keep);
        return 0;
    case ["latency", var models, var size, var queries]:
        await Latency.RunAsync(models, Number(size), Number(queries), keep);
        return 0;
    default:
        Console.Error.WriteLine("embed | calibrate | background | latency | pictures | junk: benchmarks/Query/Program.cs says with what");
        return 2;
}

static async Task EmbedAsync(string models, string model, string folder, string prefix, int most)
{
    using var opener = LabelledVectors.Opener(models);
    using var open = LabelledVectors.Open(opener, models, model);
    (await LabelledVectors.EmbedAsync(open, folder, most)).Save(prefix);
}

static void WriteBackground(string models, string model, string prefix, string file)
{
    using var opener = LabelledVectors.Opener(models);
    using var open = LabelledVectors.Open(opener, models, model);
    LabelledVectors.WriteVectors(file, LabelledVectors.Load(prefix, open.Registered.Dimensions).Pictures.Where((_, i) => i % 2 == 0));
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
