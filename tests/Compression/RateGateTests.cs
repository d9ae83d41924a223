using ImageSearch.Evaluation;
using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Compression.Tests;

/// <summary>
/// The codec must not get worse unnoticed. Drawn pictures stand in for photos, which no test reads; the figures of photos are in benchmarks/results.
/// </summary>
public sealed class RateGateTests(TestModel model) : IClassFixture<TestModel>
{
    /// <summary>BD-rate against JPEG on the pictures below, percent. A better model or encoder puts its own figure here, which the failure of the second assertion tells.</summary>
    private const double Committed = -51.50;

    [Fact]
    public void Bits_for_the_same_psnr_are_no_more_than_1_percent_above_the_committed_figure()
    {
        Assert.Equal(new ModelsOptions().Codec, model.Codec.ModelId);
        Picture[] pictures = [.. Enumerable.Range(1, 3).Select(seed => TestModel.Picture(256 + (64 * seed), 192, seed: seed))];
        var jpeg = Curve(pictures, [10, 25, 45, 65, 80, 90], (p, q) => ImageFiles.Encode(p, ImageFormat.Jpeg, (int)q), b => ImageFiles.Decode(b));
        var lic = Curve(pictures, [1, 2.5f, 4, 5.5f, 7, 8], (p, q) => model.Codec.Encode(p, q, verify: false), b => model.Codec.Decode(b));
        var measured = BdRate.Percent(jpeg, lic);
        var bits = (100 + measured) / (100 + Committed);
        Assert.True(bits <= 1.01, $"The codec needs {100 * (bits - 1):f2} % more bits than the committed figure says: BD-rate {measured:f2} %, committed {Committed} %.");
        Assert.True(bits >= 0.97, $"The codec has become better: put {measured:f2} in the place of {Committed}, so that the gate holds it there.");
    }

    private static RatePoint[] Curve(Picture[] pictures, float[] settings, Func<Picture, float, byte[]> encode, Func<byte[], Picture> decode) =>
        [.. settings.Select(s =>
        {
            var files = pictures.Select(p => (Picture: p, Bytes: encode(p, s))).ToArray();
            return new RatePoint(files.Average(f => 8.0 * f.Bytes.Length / (f.Picture.Width * f.Picture.Height)), files.Average(f => PictureQuality.Psnr(f.Picture, decode(f.Bytes))));
        })];
}
