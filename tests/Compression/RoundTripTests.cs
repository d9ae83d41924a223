using ImageSearch.Evaluation;
using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Compression.Tests;

public class RoundTripTests(TestModel model) : IClassFixture<TestModel>
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 70)]
    [InlineData(64, 1)]
    [InlineData(17, 3)]
    [InlineData(64, 64)]
    [InlineData(65, 129)]
    [InlineData(300, 200)]
    [InlineData(3000, 50)]
    public void Every_size_comes_back_looking_the_same(int width, int height)
    {
        var picture = TestModel.Picture(width, height);
        var stream = model.Codec.Encode(picture, 6);
        var back = model.Codec.Decode(stream);
        Assert.Equal((width, height, 3), (back.Width, back.Height, back.Channels));
        Assert.True(PictureQuality.Psnr(picture, back) > (width * height < 100 ? 20 : 30), $"{PictureQuality.Psnr(picture, back):f1} dB");
    }

    [Fact]
    public void Alpha_comes_back_exactly()
    {
        var picture = TestModel.Picture(130, 70, 4);
        var back = model.Codec.Decode(model.Codec.Encode(picture));
        Assert.Equal(4, back.Channels);
        Assert.Equal(picture.Pixels.Where((_, i) => i % 4 == 3), back.Pixels.Where((_, i) => i % 4 == 3));
        Assert.True(PictureQuality.Psnr(picture.Flatten(255, 255, 255), back.Flatten(255, 255, 255)) > 25);
    }

    [Fact]
    public void Colours_under_transparent_pixels_cost_nothing_and_search_sees_white()
    {
        var clean = new Picture(128, 96, 4, [.. Enumerable.Range(0, 128 * 96).SelectMany(_ => new byte[] { 255, 255, 255, 0 })]);
        var junk = new Picture(128, 96, 4, [.. TestModel.Picture(128, 96, 4).Pixels.Select((v, i) => i % 4 == 3 ? (byte)0 : v)]);
        Assert.Equal(model.Codec.Encode(clean), model.Codec.Encode(junk));
    }

    [Fact]
    public void More_quality_gives_more_bytes_and_less_error()
    {
        var picture = TestModel.Picture(256, 192);
        var results = new[] { 1f, 2.5f, 4f, 5.75f, 8f }.Select(q => model.Codec.Encode(picture, q)).Select(s => (s.Length, Psnr: PictureQuality.Psnr(picture, model.Codec.Decode(s)))).ToList();
        Assert.Equal(results.OrderBy(r => r.Length), results);
        Assert.Equal(results.OrderBy(r => r.Psnr), results);
    }

    [Fact]
    public void Tiles_leave_no_seam()
    {
        // 2112 x 128 is cut into three tiles; the same strip in one tile must give the same latents but for float rounding.
        var picture = TestModel.Picture(2112, 128);
        var whole = model.Codec.Analyze(picture);
        var part = model.Codec.Analyze(picture.Crop(512, 0, 512, 128));
        var (worst, range) = (0f, 0f);
        for (var c = 0; c < whole.Channels; c++)
        {
            for (var r = 0; r < whole.Height; r++)
            {
                // The strip was cut out of the picture, so only its middle sees the same surroundings.
                for (var q = 4; q < part.Width - 4; q++)
                {
                    var v = whole.Values[(((c * whole.Height) + r) * whole.Width) + q + 32];
                    worst = Math.Max(worst, Math.Abs(v - part.Values[(((c * part.Height) + r) * part.Width) + q]));
                    range = Math.Max(range, Math.Abs(v));
                }
            }
        }

        Assert.True(worst < range * 1e-4f, $"{worst} of {range}");
    }

    [Theory, MemberData(nameof(Codecs))]
    public void Decoded_tiles_leave_no_seam(string codec)
    {
        // 2112 x 64 is cut at 704 and 1408; the strip from 512 to 1536 is one tile.
        using var loaded = LicModel.Load(ModelManifest.Load(TestModel.ModelsDirectory, codec), threads: 1, "cpu");
        var (whole, part) = (new Grid(2112, 64), new Grid(1024, 64));
        var random = new Random(3);
        var latents = Enumerable.Range(0, (int)whole.Positions16 * loaded.Entropy.Channels).Select(_ => (short)(random.Next(8) == 0 ? 16 * random.Next(-2, 3) : 0)).ToArray();
        var strip = new short[part.Positions16 * loaded.Entropy.Channels];
        for (var row = 0; row < 4; row += 2)
        {
            var (from, to) = (whole.SetPosition(row, 512 / 16, loaded.Entropy.Channels).Cell, part.SetPosition(row, 0, loaded.Entropy.Channels).Cell);
            latents.AsSpan((int)from, strip.Length / 2).CopyTo(strip.AsSpan((int)to));
        }

        var (all, middle) = (new byte[2112 * 64 * 3], new byte[1024 * 64 * 3]);
        var transforms = new Transforms(loaded, threads: 1);
        transforms.Synthesize(latents, whole, 512, all, 3, default);
        transforms.Synthesize(strip, part, 512, middle, 3, default);
        var worst = 0;
        for (var row = 0; row < 64; row++)
        {
            for (var i = 3 * 128; i < 3 * (1024 - 128); i++)
            {
                worst = Math.Max(worst, Math.Abs(all[(row * 2112 * 3) + (512 * 3) + i] - middle[(row * 1024 * 3) + i]));
            }
        }

        Assert.True(worst <= 1, $"{worst} levels");
    }

    public static TheoryData<string> Codecs => [.. ModelManifest.LoadAll(TestModel.ModelsDirectory).Where(m => m.Kind == "codec").Select(m => m.Id)];

    [Fact]
    public void A_large_picture_carries_a_preview_for_search()
    {
        var picture = TestModel.Picture(1200, 300);
        var stream = model.Codec.Encode(picture, 6);
        var header = LicStream.ReadHeader(stream);
        Assert.Equal(new LicPreview(384, 96, 4), header.Preview);
        Assert.Equal((1200, 300, 3, 6f), (header.Width, header.Height, header.Channels, header.Quality));
        Assert.Equal(stream.Length, header.TotalBytes);
        Assert.Equal(model.Codec.CodecId, header.ModelId);

        var latents = model.Codec.DecodeLatents(stream);
        Assert.Equal((192, 6, 24), (latents.Channels, latents.Height, latents.Width));
        Assert.Equal((384, 96), (model.Codec.DecodePreview(stream).Width, model.Codec.DecodePreview(stream).Height));
    }

    [Fact]
    public void Decoded_latents_are_those_of_analysis_but_for_quantisation()
    {
        var picture = TestModel.Picture(300, 200);
        var analysed = model.Codec.Analyze(picture, 8);
        var decoded = model.Codec.DecodeLatents(model.Codec.Encode(picture, 8));
        Assert.Equal((analysed.Height, analysed.Width), (decoded.Height, decoded.Width));
        Assert.Equal((13, 19), (decoded.Height, decoded.Width));
        double cross = 0, a = 0, b = 0;
        for (var i = 0; i < analysed.Values.Length; i++)
        {
            cross += analysed.Values[i] * decoded.Values[i];
            a += analysed.Values[i] * analysed.Values[i];
            b += decoded.Values[i] * decoded.Values[i];
        }

        Assert.True(cross / Math.Sqrt(a * b) > 0.9, $"cosine {cross / Math.Sqrt(a * b)}");
    }

    [Fact]
    public async Task Concurrent_calls_give_the_same_bytes()
    {
        var pictures = Enumerable.Range(0, 6).Select(i => TestModel.Picture(100 + (20 * i), 90, 3, i)).ToList();
        var alone = pictures.Select((p, i) => model.Codec.Encode(p, 1 + i)).ToList();
        var together = await Task.WhenAll(pictures.Select((p, i) => Task.Run(() => model.Codec.Encode(p, 1 + i))));
        Assert.Equal(alone, together);
    }

    [Fact]
    public void The_range_coder_adds_next_to_nothing()
    {
        // Gaussian-like symbols of every table: what the range coder adds to the information content of the tables.
        var tables = TestModel.Entropy.ScaleTables;
        var random = new Random(3);
        var encoder = new RangeEncoder();
        double bits = 0;
        for (var i = 0; i < 40_000; i++)
        {
            var (table, n) = (i % 64, (int)Math.Round((random.NextDouble() + random.NextDouble() - 1) * Math.Exp((i % 64) / 14.0) * 0.2));
            bits += tables.Bits(table, n);
            tables.Encode(encoder, table, n);
        }

        var bytes = encoder.Finish().Length;
        // Its last byte may be left out where any continuation decodes to the same.
        Assert.InRange(bytes, (bits / 8) - 1, (bits / 8 * 1.0005) + 1);
    }

    [Theory]
    [InlineData(0.9f)]
    [InlineData(8.1f)]
    [InlineData(float.NaN)]
    public void Qualities_outside_the_scale_are_refused(float quality) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Codec.Encode(TestModel.Picture(8, 8), quality));
}
