using ImageSearch.Imaging.Native;

namespace ImageSearch.Imaging.Tests;

public class DecodeTests
{
    public static TheoryData<string> Formats => [.. TestFiles.Formats];

    [Theory, MemberData(nameof(Formats))]
    public void Every_format_gives_back_its_pixels(string format)
    {
        var picture = TestFiles.Gradient(90, 61);
        var file = TestFiles.Make(format, picture);

        var info = ImageFiles.Probe(file);
        Assert.Equal((format, 90, 61, 1), (info.Format.ToString().ToLowerInvariant(), info.Width, info.Height, info.Frames));
        Assert.Null(info.TakenAt);

        var decoded = ImageFiles.Decode(file);
        Assert.Equal((90, 61), (decoded.Width, decoded.Height));
        var tolerance = format switch { "png" or "webp" or "tiff" => 0, "gif" => 12, _ => 3 };
        Assert.InRange(MeanDifference(picture, decoded.Flatten(0, 0, 0)), 0, tolerance);
    }

    [Theory]
    [InlineData("png")]
    [InlineData("webp")]
    [InlineData("avif")]
    [InlineData("tiff")]
    public void Alpha_survives(string format)
    {
        var picture = TestFiles.Gradient(64, 32, 4);
        var file = TestFiles.Make(format, picture);
        Assert.True(ImageFiles.Probe(file).HasAlpha);
        var decoded = ImageFiles.Decode(file);
        Assert.Equal(4, decoded.Channels);
        Assert.InRange(decoded.Pixels[(63 * 4) + 3], 250, 255);
        Assert.InRange(decoded.Pixels[3], 0, 5);
        var small = ImageFiles.DecodeScaled(file, 16);
        Assert.Equal((16, 8, 4), (small.Width, small.Height, small.Channels));
    }

    [Theory]
    [InlineData(ImageFormat.Jpeg)]
    [InlineData(ImageFormat.WebP)]
    [InlineData(ImageFormat.Png)]
    [InlineData(ImageFormat.Avif)]
    public void Encoded_pictures_decode_again(ImageFormat format)
    {
        var picture = TestFiles.Gradient(120, 80);
        var file = ImageFiles.Encode(picture, format);
        Assert.Equal(format, ImageFiles.Probe(file).Format);
        Assert.InRange(MeanDifference(picture, ImageFiles.Decode(file)), 0, 6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Orientation_is_applied(int orientation)
    {
        // EXIF names where row 0 and column 0 of the stored picture belong; (x, y) is where the stored red corner must come out.
        var (right, bottom) = orientation switch { 1 or 5 => (0, 0), 2 or 6 => (1, 0), 3 or 7 => (1, 1), _ => (0, 1) };
        var swap = orientation >= 5;
        var stored = TestFiles.Gradient(48, 24);
        var file = TestFiles.WithExif(TestFiles.Make("jpeg", stored), orientation);

        var info = ImageFiles.Probe(file);
        Assert.Equal(swap ? (24, 48) : (48, 24), (info.Width, info.Height));
        foreach (var decoded in new[] { ImageFiles.Decode(file), ImageFiles.DecodeScaled(file, 24) })
        {
            Assert.Equal((double)info.Width / info.Height, (double)decoded.Width / decoded.Height, 0.01);
            var corner = (((bottom * (decoded.Height - 1)) * decoded.Width) + (right * (decoded.Width - 1))) * 3;
            var opposite = ((((1 - bottom) * (decoded.Height - 1)) * decoded.Width) + ((1 - right) * (decoded.Width - 1))) * 3;
            Assert.True(decoded.Pixels[corner] > 220 && decoded.Pixels[corner + 2] < 50, "red corner");
            Assert.True(decoded.Pixels[opposite] < 50 && decoded.Pixels[opposite + 2] > 220, "blue corner");

            // The green channel grows along the stored x axis and tells turns from mirrors.
            var other = swap ? (((1 - bottom) * (decoded.Height - 1) * decoded.Width) + (right * (decoded.Width - 1))) * 3
                : ((bottom * (decoded.Height - 1) * decoded.Width) + ((1 - right) * (decoded.Width - 1))) * 3;
            Assert.InRange(decoded.Pixels[other + 1], 90, 135);
        }
    }

    [Fact]
    public void Time_taken_comes_from_exif()
    {
        var jpeg = TestFiles.Make("jpeg", TestFiles.Gradient(16, 16));
        Assert.Equal(new DateTimeOffset(2026, 5, 1, 12, 30, 5, TimeSpan.FromHours(2)),
            ImageFiles.Probe(TestFiles.WithExif(jpeg, 1, "2026:05:01 12:30:05", "+02:00")).TakenAt);
        Assert.Equal(new DateTimeOffset(2026, 5, 1, 12, 30, 5, TimeSpan.Zero), ImageFiles.Probe(TestFiles.WithExif(jpeg, 1, "2026:05:01 12:30:05")).TakenAt);
        Assert.Null(ImageFiles.Probe(TestFiles.WithExif(jpeg, 1, "0000:00:00 00:00:00")).TakenAt);
        Assert.Null(ImageFiles.Probe(TestFiles.WithExif(jpeg, 1, "yesterday")).TakenAt);
    }

    [Fact]
    public void Written_files_keep_no_metadata()
    {
        var file = TestFiles.WithExif(TestFiles.Make("jpeg", TestFiles.Gradient(16, 16)), 6, "2026:05:01 12:30:05");
        foreach (var format in new[] { ImageFormat.Jpeg, ImageFormat.WebP, ImageFormat.Png, ImageFormat.Avif })
        {
            var again = ImageFiles.Encode(ImageFiles.Decode(file), format);
            Assert.Null(ImageFiles.Probe(again).TakenAt);
            Assert.DoesNotContain("2026:05:01", System.Text.Encoding.Latin1.GetString(again));
        }
    }

    [Theory]
    [InlineData("b-w", "pngsave_buffer", 3)]
    [InlineData("grey16", "pngsave_buffer", 3)]
    [InlineData("rgb16", "pngsave_buffer", 3)]
    [InlineData("rgb16", "tiffsave_buffer", 3)]
    [InlineData("cmyk", "jpegsave_buffer", 3)]
    [InlineData("cmyk", "tiffsave_buffer", 3)]
    [InlineData("lab", "tiffsave_buffer", 3)]
    [InlineData("scrgb", "tiffsave_buffer", 3)]
    public void Other_colour_spaces_and_depths_become_8_bit_srgb(string space, string saver, int channels)
    {
        var picture = TestFiles.Gradient(40, 40);
        var decoded = ImageFiles.Decode(TestFiles.Save(picture, i => TestFiles.To(i, space), saver));
        Assert.Equal((40, 40, channels), (decoded.Width, decoded.Height, decoded.Channels));
        var expected = space is "b-w" or "grey16" ? Grey(picture) : picture;

        // Bright red and blue lie outside a press's range, so CMYK comes back duller.
        Assert.InRange(MeanDifference(expected, decoded), 0, space == "cmyk" ? 40 : 4);
    }

    [Fact]
    public void Sixteen_bit_alpha_scales_with_the_colours()
    {
        var picture = TestFiles.Gradient(32, 8, 4);
        var decoded = ImageFiles.Decode(TestFiles.Save(picture, i => TestFiles.To(i, "rgb16"), "pngsave_buffer"));
        Assert.Equal(4, decoded.Channels);
        Assert.InRange(MeanDifference(picture, decoded), 0, 1.5);
        var profiled = ImageFiles.Decode(TestFiles.Save(picture, i => TestFiles.To(i, "rgb16"), "pngsave_buffer", ("profile", "srgb")));
        Assert.InRange(MeanDifference(picture, profiled), 0, 2.5);
    }

    [Fact]
    public void Icc_profile_is_applied()
    {
        // The same sRGB colours, stored as Display P3 numbers with its profile.
        var picture = TestFiles.Gradient(40, 40);
        var file = TestFiles.Save(picture, i => new VipsOperation("icc_transform").Set("in", i).Set("output-profile", "p3").Set("input-profile", "srgb").Image()!, "pngsave_buffer");
        Assert.InRange(MeanDifference(picture, ImageFiles.Decode(file)), 0, 2);
        Assert.InRange(ImageFiles.Decode(file).Pixels[0], 245, 255);
    }

    [Theory]
    [InlineData("gifsave_buffer")]
    [InlineData("webpsave_buffer")]
    public void Animations_count_frames_and_give_the_first(string saver)
    {
        var strip = TestFiles.Gradient(20, 60);
        var file = TestFiles.Save(strip, saver, ("page-height", "20"));
        var info = ImageFiles.Probe(file);
        Assert.Equal((20, 20, 3), (info.Width, info.Height, info.Frames));
        var first = ImageFiles.Decode(file);
        Assert.Equal((20, 20), (first.Width, first.Height));
        Assert.InRange(first.Pixels[0], 225, 255);
        var e = Assert.Throws<PictureException>(() => ImageFiles.Probe(file, new ImageLimits(MaxFrames: 2)));
        Assert.Equal(PictureError.TooManyFrames, e.Code);
    }

    [Theory]
    [InlineData("jpeg")]
    [InlineData("png")]
    [InlineData("webp")]
    [InlineData("tiff")]
    public void Scaled_decode_fits_and_never_enlarges(string format)
    {
        var file = TestFiles.Make(format, TestFiles.Gradient(1000, 437));
        var small = ImageFiles.DecodeScaled(file, 100);
        Assert.Equal((100, 44), (small.Width, small.Height));
        Assert.InRange(MeanDifference(ImageFiles.Decode(file).FitWithin(100), small), 0, 2);
        var same = ImageFiles.DecodeScaled(file, 5000);
        Assert.Equal((1000, 437), (same.Width, same.Height));
    }

    internal static double MeanDifference(Picture a, Picture b)
    {
        Assert.Equal((a.Width, a.Height, a.Channels), (b.Width, b.Height, b.Channels));
        return a.Pixels.Zip(b.Pixels, (x, y) => Math.Abs(x - y)).Average();
    }

    private static Picture Grey(Picture picture)
    {
        var file = TestFiles.Save(picture, i => TestFiles.To(i, "b-w"), "pngsave_buffer");
        var grey = ImageFiles.Decode(file);
        Assert.Equal(grey.Pixels[0], grey.Pixels[1]);
        return grey;
    }
}
