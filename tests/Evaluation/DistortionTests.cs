using ImageSearch.Imaging;

namespace ImageSearch.Evaluation.Tests;

public sealed class DistortionTests
{
    private static readonly Picture Ramp = new(60, 40, 3, [.. Enumerable.Range(0, 60 * 40).SelectMany(i => new[] { (byte)(i % 60 * 4), (byte)(i / 60 * 6), (byte)90 })]);

    [Fact]
    public void Each_gives_a_picture_that_differs_and_is_the_same_every_time()
    {
        foreach (var (name, apply) in Distortions.All)
        {
            var file = apply(Ramp);
            Assert.Equal(file, apply(Ramp));
            var picture = ImageFiles.Decode(file);
            Assert.True(name == "none (PNG)" ? picture.Pixels.SequenceEqual(Ramp.Pixels) : !picture.Pixels.SequenceEqual(Ramp.Pixels), name);
        }
    }

    [Fact]
    public void Blur_and_rotation_keep_a_flat_picture_flat()
    {
        var flat = new Picture(30, 20, 3, [.. Enumerable.Repeat((byte)77, 1800)]);
        Assert.All(Distortions.Blur(flat, 2).Pixels, p => Assert.Equal(77, p));
        Assert.All(Distortions.Rotate(flat, 15).Pixels, p => Assert.Equal(77, p));
    }

    [Fact]
    public void Noise_has_the_deviation_that_is_asked_for()
    {
        var flat = new Picture(200, 200, 3, [.. Enumerable.Repeat((byte)128, 120_000)]);
        var noisy = Distortions.Noise(flat, 25).Pixels;
        Assert.InRange(noisy.Average(p => (double)p), 127, 129);
        Assert.InRange(Math.Sqrt(noisy.Average(p => Math.Pow(p - 128.0, 2))), 24, 26);
    }

    [Fact]
    public void Rotation_by_a_half_turn_reverses_the_middle()
    {
        var turned = Distortions.Rotate(Ramp, 180);
        var middle = Distortions.Middle(Ramp, 0.7);
        Assert.Equal((middle.Width, middle.Height), (turned.Width, turned.Height));
        Assert.InRange(Math.Abs(turned.Pixels[0] - middle.Pixels[^3]), 0, 1);
    }

    [Fact]
    public void Grey_is_luma() => Assert.Equal([76, 76, 76], Distortions.Grey(new(1, 1, 3, [255, 0, 0])).Pixels.Select(p => (int)p));
}
