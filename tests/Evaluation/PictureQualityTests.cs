using ImageSearch.Imaging;

namespace ImageSearch.Evaluation.Tests;

/// <summary>Against figures of another implementation: PyTorch in double precision, the whole 11 x 11 window at once, on the same pictures made by formula.</summary>
public sealed class PictureQualityTests
{
    private static readonly Picture Original = Drawn(1);

    public static TheoryData<string, double, double> Reference => new()
    {
        { "quantised", 0.9681572157273169, 25.56663134726228 },
        { "noise", 0.9729815392532465, 31.80986251798547 },
        { "shift", 0.8545149858639541, 24.454859988317207 },
    };

    [Theory]
    [MemberData(nameof(Reference))]
    public void Ms_ssim_and_psnr_equal_the_reference(string change, double msSsim, double psnr)
    {
        var changed = change switch
        {
            "quantised" => new Picture(Original.Width, Original.Height, 3, [.. Original.Pixels.Select(v => (byte)(v / 24 * 24))]),
            "noise" => Drawn(99),
            _ => Shifted(),
        };
        Assert.Equal(msSsim, PictureQuality.MsSsim(Original, changed), 9);
        Assert.Equal(psnr, PictureQuality.Psnr(Original, changed), 9);
    }

    [Fact]
    public void Equal_pictures_are_perfect_and_alpha_does_not_count()
    {
        Assert.Equal(1, PictureQuality.MsSsim(Original, Original), 12);
        Assert.Equal(99, PictureQuality.Psnr(Original, Original));
        var withAlpha = new Picture(Original.Width, Original.Height, 4, [.. Original.Pixels.Chunk(3).SelectMany(p => p.Append((byte)7))]);
        Assert.Equal(99, PictureQuality.Psnr(Original, withAlpha));
    }

    [Fact]
    public void Sizes_must_agree_and_five_scales_must_fit()
    {
        var small = Original.Crop(0, 0, 160, 170);
        Assert.Throws<ArgumentException>(() => PictureQuality.Psnr(Original, small));
        Assert.Equal(double.NaN, PictureQuality.MsSsim(small, small));
    }

    [Fact]
    public void Bd_rate_of_a_curve_with_a_fifth_fewer_bits_is_minus_20_percent()
    {
        RatePoint[] reference = [new(0.1, 27), new(0.3, 30), new(0.6, 33), new(1.2, 36)];
        Assert.Equal(-20, BdRate.Percent(reference, reference.Select(p => p with { Bpp = p.Bpp * 0.8 })), 9);
        Assert.Equal(25, BdRate.Percent(reference.Select(p => p with { Bpp = p.Bpp * 0.8 }), reference), 9);
        Assert.Equal(double.NaN, BdRate.Percent(reference, [new(1, 50), new(2, 60)]));
    }

    private static Picture Shifted()
    {
        var row = Original.Width * 3;
        return new Picture(Original.Width, Original.Height, 3, [.. Original.Pixels.Chunk(row).SelectMany(r => r[^6..].Concat(r[..^6]))]);
    }

    /// <summary>Smooth colours, an edge and noise, 176 x 192, in integers.</summary>
    private static Picture Drawn(uint seed)
    {
        const int width = 176, height = 192;
        var pixels = new byte[width * height * 3];
        for (int y = 0, i = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++, i += 3)
            {
                seed = (seed * 1664525) + 1013904223;
                var texture = ((((x / 7) ^ (y / 5)) & 3) * 9) + (int)(seed >> 28);
                var disc = ((x - (width / 2)) * (x - (width / 2))) + ((y - (height / 2)) * (y - (height / 2))) < width * width / 9;
                pixels[i] = (byte)Math.Min(255, (x * 160 / width) + texture + (disc ? 60 : 0));
                pixels[i + 1] = (byte)Math.Min(255, (y * 160 / height) + texture);
                pixels[i + 2] = (byte)Math.Min(255, 120 - ((x + y) * 60 / (width + height)) + texture + (disc ? 0 : 40));
            }
        }

        return new(width, height, 3, pixels);
    }
}
