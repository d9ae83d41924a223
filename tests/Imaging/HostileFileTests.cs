using System.Buffers.Binary;
using System.Text;

namespace ImageSearch.Imaging.Tests;

public class HostileFileTests
{
    public static TheoryData<string> Formats => [.. TestFiles.Formats];

    [Theory]
    [InlineData("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>", PictureError.UnsupportedFormat)]
    [InlineData("%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj", PictureError.UnsupportedFormat)]
    [InlineData("plain text that someone called holiday.jpg", PictureError.NotAPicture)]
    [InlineData("P6\n65535 65535\n255\n", PictureError.NotAPicture)]
    [InlineData("#!/bin/sh\nrm -rf nothing\n", PictureError.NotAPicture)]
    [InlineData("\0\0\0\u0018ftypheic\0\0\0\0mif1heic", PictureError.UnsupportedFormat)]
    [InlineData("\0\0\0\u0018ftypisom\0\0\0\0isommp42", PictureError.UnsupportedFormat)]
    [InlineData("8BPS\0\u0001\0\0\0\0\0\0\0\u0003", PictureError.UnsupportedFormat)]
    [InlineData("", PictureError.NotAPicture)]
    [InlineData("GIF8", PictureError.NotAPicture)]
    public void Files_that_are_no_pictures_of_ours_are_refused(string content, PictureError code)
    {
        var file = Encoding.Latin1.GetBytes(content);
        Assert.Equal(code, Assert.Throws<PictureException>(() => ImageFiles.Probe(file)).Code);
        Assert.Equal(code, Assert.Throws<PictureException>(() => ImageFiles.Decode(file)).Code);
    }

    [Theory]
    [InlineData(65_535, 65_535)]
    [InlineData(int.MaxValue, 1)]
    [InlineData(100_001, 1_000)]
    public void Dimension_bombs_are_refused_by_their_header(int width, int height)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var e = Assert.Throws<PictureException>(() => ImageFiles.Decode(TestFiles.PngBomb(width, height)));
        Assert.True(e.Code is PictureError.TooLarge or PictureError.Damaged, e.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Theory]
    [InlineData(65_500, PictureError.TooLarge)]
    [InlineData(65_535, PictureError.Damaged)] // beyond what libjpeg takes at all
    public void A_jpeg_with_a_header_of_that_side_is_refused(ushort side, PictureError code)
    {
        var jpeg = TestFiles.Make("jpeg", TestFiles.Gradient(16, 16));
        var sof = jpeg.AsSpan().IndexOf(new byte[] { 0xFF, 0xC0 });
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(sof + 5), side);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(sof + 7), side);
        Assert.Equal(code, Assert.Throws<PictureException>(() => ImageFiles.Probe(jpeg)).Code);
    }

    [Fact]
    public void Apng_frames_are_limited()
    {
        var actl = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(actl, 50_000);
        var e = Assert.Throws<PictureException>(() => ImageFiles.Probe(TestFiles.PngBomb(8, 8, ("acTL", actl))));
        Assert.Equal(PictureError.TooManyFrames, e.Code);
    }

    [Fact]
    public void Byte_limit_holds()
    {
        var file = TestFiles.Make("png", TestFiles.Gradient(16, 16));
        Assert.Equal(PictureError.TooLarge, Assert.Throws<PictureException>(() => ImageFiles.Probe(file, new ImageLimits(MaxBytes: file.Length - 1))).Code);
        Assert.Equal(16, ImageFiles.Probe(file, new ImageLimits(MaxBytes: file.Length)).Width);
    }

    [Fact]
    public void Pixel_limit_holds_before_decode()
    {
        var file = TestFiles.Make("jpeg", TestFiles.Gradient(300, 300));
        Assert.Equal(PictureError.TooLarge, Assert.Throws<PictureException>(() => ImageFiles.DecodeScaled(file, 10, new ImageLimits(MaxPixels: 89_999))).Code);
        Assert.Equal(300, ImageFiles.Decode(file, new ImageLimits(MaxPixels: 90_000)).Width);
    }

    [Fact]
    public void Deadline_stops_a_decode()
    {
        var file = TestFiles.Make("png", TestFiles.Gradient(2000, 2000));
        var e = Assert.Throws<PictureException>(() => ImageFiles.Decode(file, new ImageLimits(MaxDecodeTime: TimeSpan.FromTicks(1))));
        Assert.Equal(PictureError.DecodeTimeout, e.Code);
    }

    [Theory, MemberData(nameof(Formats))]
    public void Truncated_files_are_damaged(string format)
    {
        var file = TestFiles.Make(format, Noise(160, 120));
        foreach (var part in new[] { 0.3, 0.5, 0.8 })
        {
            var cut = file[..(int)(file.Length * part)];
            var e = Assert.Throws<PictureException>(() => ImageFiles.Decode(cut));
            Assert.Equal(PictureError.Damaged, e.Code);
        }
    }

    [Fact]
    public void A_polyglot_is_only_the_picture_that_its_head_says()
    {
        var picture = TestFiles.Gradient(32, 32);
        byte[] polyglot = [.. TestFiles.Make("jpeg", picture), .. "PK\u0003\u0004<script>alert(1)</script><svg onload=alert(1)>%PDF-1.7"u8];
        Assert.Equal(ImageFormat.Jpeg, ImageFiles.Probe(polyglot).Format);
        var again = ImageFiles.Encode(ImageFiles.Decode(polyglot), ImageFormat.Jpeg);
        Assert.DoesNotContain("script", Encoding.Latin1.GetString(again));
    }

    [Fact]
    public void A_broken_icc_profile_does_not_matter()
    {
        var picture = TestFiles.Gradient(32, 32);
        var file = TestFiles.Save(picture, "jpegsave_buffer", ("profile", "p3"), ("Q", "95"));
        var at = file.AsSpan().IndexOf("ICC_PROFILE"u8);
        Assert.True(at > 0);
        file.AsSpan(at + 14 + 36, 200).Fill(0xEE);
        Assert.InRange(DecodeTests.MeanDifference(picture, ImageFiles.Decode(file)), 0, 6);
    }

    [Fact]
    public void Huge_metadata_is_carried_past_the_pixels()
    {
        // 250 ICC segments of 64 KB and as many of EXIF, all garbage: 32 MB before a picture of 32 x 32.
        var picture = TestFiles.Gradient(32, 32);
        var jpeg = TestFiles.Make("jpeg", picture);
        var file = new MemoryStream();
        file.Write(jpeg.AsSpan(0, 2));
        var body = new byte[65_000];
        for (var i = 1; i <= 250; i++)
        {
            "ICC_PROFILE\0"u8.CopyTo(body);
            (body[12], body[13]) = ((byte)i, 250);
            Segment(0xE2);
            "Exif\0\0II*\0"u8.CopyTo(body);
            Segment(0xE1);
        }

        file.Write(jpeg.AsSpan(2));
        Assert.Equal(32, ImageFiles.Probe(file.ToArray()).Width);
        Assert.InRange(DecodeTests.MeanDifference(picture, ImageFiles.Decode(file.ToArray())), 0, 6);

        void Segment(byte marker) => file.Write([0xFF, marker, (byte)((body.Length + 2) >> 8), (byte)(body.Length + 2), .. body]);
    }

    [Theory, MemberData(nameof(Formats))]
    public void Mutated_files_decode_or_are_refused(string format)
    {
        // Fixed seeds: the same 500 files each time. Limits are small so that a mutated header cannot make the test slow.
        var limits = new ImageLimits(MaxPixels: 1_000_000, MaxFrames: 50, MaxDecodeTime: TimeSpan.FromSeconds(5));
        var original = TestFiles.Make(format, Noise(40, 30));
        var refused = 0;
        for (var seed = 0; seed < 500; seed++)
        {
            var file = Mutate(original, new Random(seed));
            if (format == "png" && seed % 4 != 0)
            {
                // Else the checksums would keep nearly every mutation from the decoder.
                TestFiles.MendPngChecksums(file);
            }

            try
            {
                ImageFiles.Probe(file, limits);
                var picture = seed % 2 == 0 ? ImageFiles.Decode(file, limits) : ImageFiles.DecodeScaled(file, 20, limits);
                Assert.True((long)picture.Width * picture.Height <= limits.MaxPixels);
            }
            catch (PictureException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }
        }

        Assert.InRange(refused, 50, 500);
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        var file = (byte[])original.Clone();
        switch (random.Next(4))
        {
            case 0:
                for (var k = random.Next(1, 9); k > 0; k--)
                {
                    file[random.Next(file.Length)] = (byte)random.Next(256);
                }

                return file;
            case 1:
                // Headers are where the trouble is.
                for (var k = random.Next(1, 5); k > 0; k--)
                {
                    file[random.Next(Math.Min(file.Length, 200))] ^= (byte)(1 << random.Next(8));
                }

                return file;
            case 2:
                return file[..random.Next(file.Length)];
            default:
                var from = random.Next(file.Length);
                var length = random.Next(1, Math.Min(64, file.Length - from + 1));
                return [.. file[..from], .. file[from..(from + length)], .. file[from..]];
        }
    }

    private static Picture Noise(int width, int height)
    {
        var pixels = new byte[width * height * 3];
        new Random(1).NextBytes(pixels);
        return new Picture(width, height, 3, pixels);
    }
}
