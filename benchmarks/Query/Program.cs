using System.Globalization;
using ImageSearch.Benchmarks.Query;

// Usage:
//   dotnet run -c Release --project benchmarks/Query -- calibrate MODELS FOLDER [BACKGROUND]   FOLDER/LABEL/picture; BACKGROUND is written
//   IMAGESEARCH_TEST_POSTGRES=... dotnet run -c Release --project benchmarks/Query -- latency MODELS 100000
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    case ["calibrate", var models, var folder]:
        await Calibrate.RunAsync(models, folder, null);
        return 0;
    case ["calibrate", var models, var folder, var background]:
        await Calibrate.RunAsync(models, folder, background);
        return 0;
    case ["latency", var models, var size]:
        await Latency.RunAsync(models, int.Parse(size, CultureInfo.InvariantCulture));
        return 0;
    default:
        Console.Error.WriteLine("calibrate MODELS FOLDER [BACKGROUND] | latency MODELS PICTURES");
        return 2;
}
