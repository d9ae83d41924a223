using System.Diagnostics;
using ImageSearch.Evaluation;
using ImageSearch.Imaging;

namespace ImageSearch.Compression.Tests;

/// <summary>
/// Streams committed once decode to the same integers for ever, on every instruction set. They are rewritten only when
/// IMAGESEARCH_WRITE_GOLDEN=1 asks for it, which a change of format or model never should: it gets a new version or a new model id instead.
/// </summary>
public class GoldenStreamTests(TestModel model) : IClassFixture<TestModel>
{
    private static readonly string Folder = Path.Combine(TestModel.Root, "tests/Compression/golden");

    public static TheoryData<string, int, int, int, float> Streams => new()
    {
        { "lic-lot-1-plain-97x61-q4", 97, 61, 3, 4f },
        { "lic-lot-1-alpha-40x90-q7.5", 40, 90, 4, 7.5f },
        { "lic-lot-1-preview-900x33-q1", 900, 33, 3, 1f },
        { "lic-lot-2-plain-97x61-q4", 97, 61, 3, 4f },
        { "lic-lot-2-alpha-40x90-q7.5", 40, 90, 4, 7.5f },
        { "lic-lot-2-preview-900x33-q1", 900, 33, 3, 1f },
    };

    [Theory, MemberData(nameof(Streams))]
    public void Decode_to_the_same_integers_for_ever(string name, int width, int height, int channels, float quality)
    {
        var (stream, hash) = (Path.Combine(Folder, name + ".lic"), Path.Combine(Folder, name + ".sha256"));
        if (Environment.GetEnvironmentVariable("IMAGESEARCH_WRITE_GOLDEN") == "1" && name.StartsWith(model.Codec.ModelId.Replace('/', '-') + "-", StringComparison.Ordinal))
        {
            Directory.CreateDirectory(Folder);
            File.WriteAllBytes(stream, model.Codec.Encode(TestModel.Picture(width, height, channels), quality));
            File.WriteAllText(hash, Hash(model.Codec, stream) + "\n");
        }

        var expected = File.ReadAllText(hash).Trim();
        foreach (var path in Enum.GetValues<IntegerPath>().Where(p => p <= IntegerKernels.Best))
        {
            foreach (var threads in new[] { 1, 2 })
            {
                using var codec = LicCodec.Open(TestModel.ModelsDirectory, threads, path);
                Assert.Equal(expected, Hash(codec, stream));
            }
        }

        var picture = model.Codec.Decode(File.ReadAllBytes(stream));
        Assert.Equal((width, height, channels), (picture.Width, picture.Height, picture.Channels));
        var psnr = PictureQuality.Psnr(OnWhite(TestModel.Picture(width, height, channels)), OnWhite(picture));
        Assert.True(psnr > 22, $"{psnr:f2} dB");
    }

    [Theory]
    [InlineData("DOTNET_EnableHWIntrinsic", "Scalar")]
    [InlineData("DOTNET_EnableAVX2", "Scalar")]
    [InlineData("DOTNET_EnableAVX512", "Avx2")]
    public void A_process_without_the_instructions_writes_and_reads_the_same(string variable, string path)
    {
        var expected = Enum.Parse<IntegerPath>(path);
        var start = new ProcessStartInfo("dotnet", [typeof(IntegerReport).Assembly.Location, Folder])
        {
            RedirectStandardOutput = true,
            Environment = { [variable] = "0" },
        };
        using var child = Process.Start(start)!;
        var theirs = child.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        child.WaitForExit();
        Assert.Equal(0, child.ExitCode);
        Assert.Equal((expected < IntegerKernels.Best ? expected : IntegerKernels.Best).ToString(), theirs[0]);

        var ours = IntegerReport.Lines(Folder).ToList();
        Assert.Equal(ours[1..^1], theirs[1..^1]);

        // The last line is a picture. It comes out of float arithmetic, where one level of difference is allowed.
        var (a, b) = (Convert.FromBase64String(ours[^1]), Convert.FromBase64String(theirs[^1]));
        Assert.Equal(a.Length, b.Length);
        Assert.True(a.Zip(b).All(p => Math.Abs(p.First - p.Second) <= 1));
    }

    // What is fully transparent may have any colour.
    private static Picture OnWhite(Picture p) => p.Channels == 4 ? p.Flatten(255, 255, 255) : p;

    private static string Hash(LicCodec codec, string stream) => Convert.ToHexStringLower(codec.HashSymbols(File.ReadAllBytes(stream)));
}
