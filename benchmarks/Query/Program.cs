using System.Globalization;
using ImageSearch.Benchmarks.Query;

// Usage:
//   dotnet run -c Release --project benchmarks/Query -- calibrate MODELS FOLDER [BACKGROUND]   FOLDER/LABEL/picture; BACKGROUND is written
//   IMAGESEARCH_TEST_POSTGRES=... dotnet run -c Release --project benchmarks/Query -- latency MODELS 100000 [QUERIES] [keep]
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var keep = args is [.., "keep"];
switch (keep ? args[..^1] : args)
{
    case ["calibrate", var models, var folder]:
        await Calibrate.RunAsync(models, folder, null);
        return 0;
    case ["calibrate", var models, var folder, var background]:
        await Calibrate.RunAsync(models, folder, background);
        return 0;
    case ["latency", var models, var size]:
        await Latency.RunAsync(models, Number(size), 2_000, keep);
        return 0;
    case ["latency", var models, var size, var queries]:
        await Latency.RunAsync(models, Number(size), Number(queries), keep);
        return 0;
    default:
        Console.Error.WriteLine("calibrate MODELS FOLDER [BACKGROUND] | latency MODELS PICTURES [QUERIES] [keep]");
        return 2;
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
