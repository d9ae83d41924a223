namespace ImageSearch.Compression.Tests;

/// <summary>Reads a stream by docs/bitstream.md, section 3, symbol by symbol, and adds up what each should cost.</summary>
public class StreamContentsTests(TestModel model) : IClassFixture<TestModel>
{
    [Theory]
    [InlineData(1f)]
    [InlineData(4f)]
    [InlineData(8f)]
    public void Real_bytes_are_the_entropy_of_the_symbols_and_a_short_header(float quality)
    {
        var stream = model.Codec.Encode(TestModel.Picture(512, 384), quality);
        var header = LicStream.ReadHeader(stream);
        var (entropy, grid) = (TestModel.Entropy, new Grid(header.Width, header.Height));
        var decoder = new RangeDecoder(stream.AsSpan(header.HeaderBytes, header.LatentBytes));
        double bits = 0;

        var z = new short[grid.Rows64 * grid.Columns64 * entropy.ZChannels];
        for (var i = 0; i < z.Length; i++)
        {
            z[i] = (short)entropy.ZTables.Decode(ref decoder, i % entropy.ZChannels);
            bits += entropy.ZTables.Bits(i % entropy.ZChannels, z[i]);
        }

        var coder = new LatentCoder(entropy, threads: 1, IntegerKernels.Best);
        using var state = new LatentCoder.State(coder, grid.Rows64, grid.Columns64, header.Rate);
        coder.HyperSynthesis(state, z);
        var yHat = new short[state.Positions * 4 * entropy.Channels];
        for (var k = 0; k < EntropyModel.Steps; k++)
        {
            coder.Parameters(state, k, yHat);
            for (var i = 0; i < state.Positions * entropy.Channels; i++)
            {
                var n = entropy.ScaleTables.Decode(ref decoder, state.Index[i]);
                bits += entropy.ScaleTables.Bits(state.Index[i], n);
                yHat[(i / entropy.Channels * 4 * entropy.Channels) + (k * entropy.Channels) + (i % entropy.Channels)] = (short)(state.Mean[i] + (16 * n));
            }
        }

        decoder.Finish();
        Assert.InRange(header.LatentBytes, (bits / 8) - 1, bits / 8 * 1.001 + 1);
        Assert.InRange(stream.Length - header.LatentBytes, 17, 20);
    }

    [Fact]
    public void Codecs_of_one_latent_space_give_search_the_same_latents()
    {
        using var first = LicCodec.Open(TestModel.ModelsDirectory, "lic-lot/1", threads: 1);
        var picture = TestModel.Picture(320, 256);
        var (theirs, ours) = (first.Analyze(picture, 5), model.Codec.Analyze(picture, 5));
        Assert.Equal("lic-lot/1", theirs.Space);
        Assert.Equal(theirs.Space, ours.Space);
        Assert.True(Difference(theirs, ours) < 1e-3, $"unquantised: {Difference(theirs, ours)}");

        // What is left is quantisation noise, whose steps differ a little.
        var (a, b) = (first.DecodeLatents(first.Encode(picture, 5)), model.Codec.DecodeLatents(model.Codec.Encode(picture, 5)));
        Assert.True(Difference(theirs, b) < 1.2 * Difference(theirs, a), $"{Difference(theirs, b)} against {Difference(theirs, a)}");
    }

    /// <summary>Root mean square of the difference over that of the values.</summary>
    private static double Difference(LatentGrid a, LatentGrid b) =>
        Math.Sqrt(a.Values.Zip(b.Values, (x, y) => (double)(x - y) * (x - y)).Sum() / a.Values.Sum(x => (double)x * x));
}
