using System.Runtime.InteropServices;

namespace ImageSearch.Compression.Tests;

/// <summary>Every integer of the networks equals the Python reference's (training/codec/integer_model.py), on every instruction set of this machine.</summary>
public class IntegerNetworksTests
{
    public static TheoryData<string> Paths => [.. Enum.GetValues<IntegerPath>().Where(p => p <= IntegerKernels.Best).Select(p => p.ToString())];

    [Theory, MemberData(nameof(Paths))]
    public void Equal_the_reference_on_every_integer(string path)
    {
        var model = TestModel.Entropy;
        var file = File.ReadAllBytes(Path.Combine(TestModel.Root, "tests/Compression/vectors.bin"));
        var at = 0;
        for (var grid = 0; grid < 2; grid++)
        {
            var size = Shorts(3);
            int rows = size[0], columns = size[1], positions = rows * columns * 4, m = model.Channels;
            var z = Shorts(rows * columns * model.ZChannels);
            var coder = new LatentCoder(model, threads: 2, Enum.Parse<IntegerPath>(path));
            using var state = new LatentCoder.State(coder, rows, columns, size[2]);
            coder.HyperSynthesis(state, z);
            Assert.Equal(Shorts(positions * model.HyperChannels), state.Hyper[..(positions * model.HyperChannels)]);

            var yHat = new short[positions * 4 * m];
            for (var k = 0; k < EntropyModel.Steps; k++)
            {
                coder.Parameters(state, k, yHat);
                var (n, mean, index) = (Shorts(positions * m), Shorts(positions * m), file[at..(at + (positions * m))]);
                at += index.Length;
                Assert.Equal(mean, state.Mean[..mean.Length]);
                Assert.Equal(index, state.Index[..index.Length]);
                for (var i = 0; i < positions * m; i++)
                {
                    yHat[(i / m * 4 * m) + (k * m) + (i % m)] = (short)(mean[i] + (16 * n[i]));
                }
            }
        }

        Assert.Equal(file.Length, at);

        short[] Shorts(int count)
        {
            at += 2 * count;
            return MemoryMarshal.Cast<byte, short>(file.AsSpan(at - (2 * count), 2 * count)).ToArray();
        }
    }

    [Theory, MemberData(nameof(Paths))]
    public void Kernels_equal_plain_loops_at_the_limits(string path)
    {
        var random = new Random(5);
        foreach (var (inputs, outputs, rows) in new[] { (2, 16, 1), (64, 48, 13), (130, 16, 8), (1536, 32, 11) })
        {
            var weights = Fill(inputs * outputs, () => (short)(random.Next(2) * 254 - 127));
            var bias = Fill(outputs, () => random.Next(-1 << 20, 1 << 20));
            var shift = Fill(outputs, () => (byte)random.Next(0, 20));
            var x = Fill(inputs * rows, () => (short)(random.Next(3) == 0 ? -4095 : random.Next(-4095, 4096)));
            var layer = new IntegerLayer(false, inputs, outputs, weights, bias, shift);
            var (acc, dst) = (new int[rows * outputs], new short[rows * outputs]);
            Run(layer, x, rows, acc, dst, Enum.Parse<IntegerPath>(path));
            for (var r = 0; r < rows; r++)
            {
                for (var o = 0; o < outputs; o++)
                {
                    long sum = bias[o];
                    for (var i = 0; i < inputs; i++)
                    {
                        sum += (long)weights[(o * inputs) + i] * x[(r * inputs) + i];
                    }

                    Assert.Equal(sum, acc[(r * outputs) + o]);
                    var rounded = shift[o] == 0 ? sum : (sum + (1L << (shift[o] - 1))) >> shift[o];
                    Assert.Equal(Math.Clamp(rounded, -2047, 2047), dst[(r * outputs) + o]);
                }
            }
        }

        static T[] Fill<T>(int count, Func<T> next) => [.. Enumerable.Range(0, count).Select(_ => next())];
    }

    [Fact]
    public void A_layer_that_could_overflow_is_refused()
    {
        var weights = Enumerable.Repeat((short)32767, 32 * 16).ToArray();
        Assert.Throws<Models.ModelException>(() => new IntegerLayer(false, 32, 16, weights, new int[16], new byte[16]));
    }

    private static unsafe void Run(IntegerLayer layer, short[] x, int rows, int[] acc, short[] dst, IntegerPath path)
    {
        fixed (short* xp = x, dp = dst)
        fixed (int* ap = acc)
        {
            IntegerKernels.Pointwise(path, layer, xp, layer.Inputs, rows, ap);
            IntegerKernels.Requantise(path, layer, ap, rows, null, dp, -2047, 2047);
        }
    }
}
