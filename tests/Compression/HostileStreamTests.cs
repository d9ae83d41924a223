using System.Diagnostics;
using Xunit.Abstractions;

namespace ImageSearch.Compression.Tests;

/// <summary>Whatever the bytes are: a picture, or LicFormatException. Set IMAGESEARCH_FUZZ to a number of mutations for a longer run.</summary>
public class HostileStreamTests(TestModel model, ITestOutputHelper output) : IClassFixture<TestModel>
{
    private readonly byte[][] _streams =
    [
        model.Codec.Encode(TestModel.Picture(17, 3)),
        model.Codec.Encode(TestModel.Picture(64, 64), 1),
        model.Codec.Encode(TestModel.Picture(70, 40, 4), 8),
        model.Codec.Encode(TestModel.Picture(800, 20), 2),
    ];

    private static int Mutations => int.TryParse(Environment.GetEnvironmentVariable("IMAGESEARCH_FUZZ"), out var n) ? n : 20_000;

    [Fact]
    public void Damaged_streams_give_the_typed_error()
    {
        var random = new Random(11);
        for (var i = 0; i < Mutations; i++)
        {
            var stream = Mutate(_streams[i % _streams.Length], random);
            Assert.False(Decodes(stream) && !_streams.Any(s => s.AsSpan().SequenceEqual(stream)), $"mutation {i} decoded in spite of the checksum");
        }
    }

    [Fact]
    public void Damage_behind_a_correct_checksum_is_bounded_and_typed()
    {
        var random = new Random(12);
        var (decoded, count) = (0, Mutations / 10);
        for (var i = 0; i < count; i++)
        {
            var stream = Mutate(_streams[i % _streams.Length], random);
            if (stream.Length > 13)
            {
                LicStream.WriteChecksum(stream);
            }

            decoded += Decodes(stream) ? 1 : 0;
        }

        output.WriteLine($"{decoded} of {count} mutations decoded to some picture");
    }

    [Fact]
    public void Every_truncation_is_reported()
    {
        foreach (var stream in _streams)
        {
            for (var length = 0; length < stream.Length; length++)
            {
                Assert.False(Decodes(stream[..length]));
            }
        }
    }

    [Fact]
    public void Giant_sizes_over_few_bytes_cost_nothing()
    {
        // Of this thread, on which streams are looked at: other tests allocate beside it.
        var before = GC.GetAllocatedBytesForCurrentThread();
        var stream = LicStream.Write(11_000, 12_000, model.Codec.CodecId, 4, (new LicPreview(8000, 8000, 4), new byte[100]), new byte[2000], new byte[50]);
        foreach (Action<byte[]> use in new Action<byte[]>[] { s => model.Codec.Decode(s), s => model.Codec.DecodeLatents(s), s => model.Codec.DecodePreview(s), s => model.Codec.Verify(s) })
        {
            Assert.Equal(LicError.Truncated, Assert.Throws<LicFormatException>(() => use(stream)).Reason);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void Verifying_reads_every_section_not_only_the_one_that_search_reads()
    {
        var stream = model.Codec.Encode(TestModel.Picture(800, 96, channels: 4));
        var header = LicStream.ReadHeader(stream);
        model.Codec.Verify(stream);
        var random = new Random(5);
        var (latents, alpha) = (0, 0);
        for (var i = 0; i < 40; i++)
        {
            latents += Noticed(header.HeaderBytes + header.PreviewBytes + random.Next(header.LatentBytes * 9 / 10));
            alpha += Noticed(stream.Length - header.AlphaBytes + random.Next(header.AlphaBytes));
        }

        output.WriteLine($"of 40 flipped bits {latents} were noticed in the latents and {alpha} in the alpha plane");
        Assert.InRange(latents, 36, 40);
        Assert.InRange(alpha, 5, 40);

        int Noticed(int at)
        {
            var damaged = stream.ToArray();
            damaged[at] ^= (byte)(1 << random.Next(8));
            LicStream.WriteChecksum(damaged);
            model.Codec.DecodeLatents(damaged);
            try
            {
                model.Codec.Verify(damaged);
                return 0;
            }
            catch (LicFormatException)
            {
                return 1;
            }
        }
    }

    [Theory]
    [InlineData(0, 5, LicError.Header)]
    [InlineData(65536, 1, LicError.Header)]
    [InlineData(60000, 60000, LicError.TooLarge)]
    public void Impossible_sizes_are_named(int width, int height, LicError reason) =>
        Assert.Equal(reason, Assert.Throws<LicFormatException>(() => LicStream.ReadHeader(LicStream.Write(width, height, 1, 4, null, [0], null))).Reason);

    [Fact]
    public void A_missing_model_is_named_by_its_number()
    {
        var stream = LicStream.Write(64, 64, 4711, 4, null, _streams[1], null);
        var error = Assert.Throws<LicFormatException>(() => model.Codec.Decode(stream));
        Assert.Equal(LicError.UnknownModel, error.Reason);
        Assert.Contains("4711", error.Message);
    }

    [Theory]
    [InlineData("", LicError.Truncated)]
    [InlineData("LIC", LicError.Truncated)]
    [InlineData("not a lic stream at all", LicError.NotLic)]
    [InlineData("LIC\u0002 from a later year", LicError.UnsupportedVersion)]
    public void Other_bytes_are_told_apart(string text, LicError reason) =>
        Assert.Equal(reason, Assert.Throws<LicFormatException>(() => model.Codec.Decode(System.Text.Encoding.Latin1.GetBytes(text))).Reason);

    private static byte[] Mutate(byte[] stream, Random random)
    {
        var copy = stream.ToArray();
        switch (random.Next(5))
        {
            case 0:
                copy[random.Next(copy.Length)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                copy[random.Next(Math.Min(40, copy.Length))] = (byte)random.Next(256);
                break;
            case 2:
                random.NextBytes(copy.AsSpan(random.Next(copy.Length)));
                break;
            case 3:
                copy = copy[..random.Next(copy.Length)];
                break;
            default:
                copy = [.. copy, .. new byte[random.Next(1, 9)]];
                break;
        }

        return copy;
    }

    private bool Decodes(byte[] stream)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            model.Codec.DecodeLatents(stream);
            return true;
        }
        catch (LicFormatException)
        {
            return false;
        }
        finally
        {
            // Not a measurement: a hang must end the test instead of the test run.
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(60));
        }
    }
}
