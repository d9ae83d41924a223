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
        Assert.InRange(header.LatentBytes, bits / 8, bits / 8 * 1.001 + 1);
        Assert.InRange(stream.Length - header.LatentBytes, 17, 20);
    }
}
