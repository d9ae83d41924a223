using System.Buffers;
using System.Runtime.InteropServices;
using ImageSearch.Imaging;
using Microsoft.ML.OnnxRuntime;

namespace ImageSearch.Compression;

/// <summary>
/// The float side: pixels to latents and back, in tiles that overlap by more than the transforms can see, so that the tiles leave no trace in the
/// result and memory does not grow with the picture. Receptive fields: g_a 40 pixels beyond a latent's own block, h_a one latent more, g_s 56 pixels.
/// </summary>
internal sealed class Transforms(LicModel model, int threads)
{
    /// <summary>Side of a tile without its margins, pixels.</summary>
    internal const int TileSide = 1024;

    /// <summary>Pixels around a tile that g_a and h_a can see together, rounded up to a position of z.</summary>
    private const int AnalysisMargin = 64;

    private readonly int _m = model.Entropy.Channels;

    /// <summary>g_a and h_a: gain-scaled y in set layout (<see cref="LatentCoder"/>) and rounded z.</summary>
    public void Analyze(Picture picture, Grid grid, int rate, float[] y, short[] z, CancellationToken ct)
    {
        var gain = model.EncoderGain(rate);
        using var lease = model.Analysis(rate);
        foreach (var tile in grid.Tiles(AnalysisMargin))
        {
            ct.ThrowIfCancellationRequested();
            using var latents = RunAnalysis(lease.Session, picture, tile);
            var scaled = ArrayPool<float>.Shared.Rent(_m * tile.Positions);
            Scale(latents.GetTensorDataAsSpan<float>(), gain, tile.Positions, scaled);
            Scatter(scaled, tile, grid, y);
            using var hyper = Run(model.HyperAnalysis, scaled, [1, _m, tile.Rows16, tile.Columns16], tile.Last);
            ArrayPool<float>.Shared.Return(scaled);
            ScatterHyper(hyper.GetTensorDataAsSpan<float>(), tile, grid, z);
        }
    }

    /// <summary>g_a alone, times a gain per channel, into channel-major planes of the grid's true size.</summary>
    public LatentGrid AnalyzeOnly(Picture picture, Grid grid, int rate, float[] gain)
    {
        var values = new float[(long)_m * grid.Rows16 * grid.Columns16];
        using var lease = model.Analysis(rate);
        foreach (var tile in grid.Tiles(AnalysisMargin))
        {
            using var latents = RunAnalysis(lease.Session, picture, tile);
            var from = latents.GetTensorDataAsSpan<float>();
            for (var c = 0; c < _m; c++)
            {
                for (var r = tile.CoreTop / 16; r < Math.Min(grid.Rows16, tile.CoreBottom / 16); r++)
                {
                    for (var q = tile.CoreLeft / 16; q < Math.Min(grid.Columns16, tile.CoreRight / 16); q++)
                    {
                        values[(((long)c * grid.Rows16) + r) * grid.Columns16 + q] =
                            gain[c] * from[(((c * tile.Rows16) + r - (tile.Top / 16)) * tile.Columns16) + q - (tile.Left / 16)];
                    }
                }
            }
        }

        return new LatentGrid(_m, grid.Rows16, grid.Columns16, values, model.LatentSpace);
    }

    /// <summary>y_hat (1/16, set layout) times the latent gain, channel-major, cut to the picture's own positions.</summary>
    public LatentGrid Latents(short[] yHat, Grid grid, int rate)
    {
        var values = new float[(long)_m * grid.Rows16 * grid.Columns16];
        Gather(yHat, grid, model.LatentGain(rate), 0, 0, grid.Rows16, grid.Columns16, values);
        return new LatentGrid(_m, grid.Rows16, grid.Columns16, values, model.LatentSpace);
    }

    /// <summary>g_s: y_hat to pixels.</summary>
    /// <param name="yHat">1/16, set layout.</param>
    /// <param name="grid">Sizes.</param>
    /// <param name="rate">Of the stream.</param>
    /// <param name="pixels">Interleaved, the first three of <paramref name="channels"/> are written.</param>
    /// <param name="channels">3 or 4.</param>
    /// <param name="ct">Looked at between tiles.</param>
    public void Synthesize(short[] yHat, Grid grid, int rate, byte[] pixels, int channels, CancellationToken ct)
    {
        var gain = model.DecoderGain(rate);
        using var lease = model.Synthesis(rate);
        foreach (var tile in grid.Tiles(16 * model.SynthesisMargin))
        {
            ct.ThrowIfCancellationRequested();
            var latents = ArrayPool<float>.Shared.Rent(_m * tile.Positions);
            Gather(yHat, grid, gain, tile.Top / 16, tile.Left / 16, tile.Rows16, tile.Columns16, latents);
            using var output = Run(lease.Session, latents, [1, _m, tile.Rows16, tile.Columns16], tile.Last);
            ArrayPool<float>.Shared.Return(latents);
            WritePixels(output, tile, grid, pixels, channels);
        }
    }

    /// <param name="session">One input, one output.</param>
    /// <param name="input">Values, possibly in a longer array.</param>
    /// <param name="shape">Of the input.</param>
    /// <param name="last">After the last tile of a large picture the session gives its working memory (some 0.3 GB) back.</param>
    private static OrtValue Run(InferenceSession session, float[] input, long[] shape, bool last)
    {
        var length = (int)shape.Aggregate(1L, (a, b) => a * b);
        using var value = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, input.AsMemory(0, length), shape);
        using var options = new RunOptions();
        if (last)
        {
            options.AddRunConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
        }

        // The collection is not disposed: its one value goes to the caller.
        using var time = ComputeTime.Measure(ComputeTime.OnnxRuntime);
        return session.Run(options, [session.InputNames[0]], [value], [session.OutputNames[0]])[0];
    }

    private OrtValue RunAnalysis(InferenceSession session, Picture picture, Tile tile)
    {
        var (height, width) = (tile.Rows16 * 16, tile.Columns16 * 16);
        var x = ArrayPool<float>.Shared.Rent(3 * height * width);
        // The picture is padded by repeating its last row and column.
        Each(height, row =>
        {
            var line = picture.Pixels.AsSpan(Math.Min(tile.Top + row, picture.Height - 1) * picture.Width * picture.Channels, picture.Width * picture.Channels);
            var r = x.AsSpan(row * width, width);
            var g = x.AsSpan((height + row) * width, width);
            var b = x.AsSpan(((2 * height) + row) * width, width);
            var inside = Math.Min(width, picture.Width - tile.Left);
            for (int i = 0, at = tile.Left * picture.Channels; i < inside; i++, at += picture.Channels)
            {
                r[i] = line[at];
                g[i] = line[at + 1];
                b[i] = line[at + 2];
            }

            r[inside..].Fill(r[inside - 1]);
            g[inside..].Fill(g[inside - 1]);
            b[inside..].Fill(b[inside - 1]);
        });
        var y = Run(session, x, [1, 3, height, width], tile.Last);
        ArrayPool<float>.Shared.Return(x);
        return y;
    }

    private void Scale(ReadOnlySpan<float> from, float[] gain, int positions, float[] to)
    {
        for (var c = 0; c < _m; c++)
        {
            System.Numerics.Tensors.TensorPrimitives.Multiply(from.Slice(c * positions, positions), gain[c], to.AsSpan(c * positions, positions));
        }
    }

    /// <summary>Channel-major tile to set layout of the whole grid, core positions only.</summary>
    private void Scatter(float[] from, Tile tile, Grid grid, float[] y)
    {
        var group = _m / 4;
        Each((tile.CoreBottom - tile.CoreTop) / 16, i =>
        {
            var r = (tile.CoreTop / 16) + i;
            for (var q = tile.CoreLeft / 16; q < tile.CoreRight / 16; q++)
            {
                var (target, phase) = grid.SetPosition(r, q, _m);
                var source = ((r - (tile.Top / 16)) * tile.Columns16) + q - (tile.Left / 16);
                for (var g = 0; g < 4; g++)
                {
                    var to = y.AsSpan((int)target + ((((g - phase) & 3) * 4) + phase) * group, group);
                    for (int j = 0, at = (g * group * tile.Positions) + source; j < group; j++, at += tile.Positions)
                    {
                        to[j] = from[at];
                    }
                }
            }
        });
    }

    private void ScatterHyper(ReadOnlySpan<float> from, Tile tile, Grid grid, short[] z)
    {
        var n = model.Entropy.ZChannels;
        var (rows, columns) = (tile.Rows16 / 4, tile.Columns16 / 4);
        for (var r = tile.CoreTop / 64; r < tile.CoreBottom / 64; r++)
        {
            for (var q = tile.CoreLeft / 64; q < tile.CoreRight / 64; q++)
            {
                for (var c = 0; c < n; c++)
                {
                    var v = from[(((c * rows) + r - (tile.Top / 64)) * columns) + q - (tile.Left / 64)];
                    z[(((r * grid.Columns64) + q) * n) + c] = (short)Math.Clamp(MathF.Round(v), -2047, 2047);
                }
            }
        }
    }

    /// <summary>Set layout to channel-major, times the gain; mirrors <see cref="Scatter"/>.</summary>
    private void Gather(short[] yHat, Grid grid, float[] gain, int top, int left, int rows, int columns, float[] to)
    {
        var group = _m / 4;
        Each(rows, r =>
        {
            for (var q = 0; q < columns; q++)
            {
                var (source, phase) = grid.SetPosition(top + r, left + q, _m);
                for (var g = 0; g < 4; g++)
                {
                    var from = yHat.AsSpan((int)source + ((((g - phase) & 3) * 4) + phase) * group, group);
                    var at = ((long)g * group * rows * columns) + (r * columns) + q;
                    for (var j = 0; j < group; j++, at += (long)rows * columns)
                    {
                        to[at] = from[j] * (gain[(g * group) + j] * (1 / 16f));
                    }
                }
            }
        });
    }

    private void WritePixels(OrtValue output, Tile tile, Grid grid, byte[] pixels, int channels)
    {
        var plane = tile.Positions * 256;
        var width = tile.Columns16 * 16;
        Each(Math.Min(tile.CoreBottom, grid.Height) - tile.CoreTop, i =>
        {
            var row = tile.CoreTop + i;
            var x = output.GetTensorDataAsSpan<float>();
            var line = x[((row - tile.Top) * width)..];
            var g = line[plane..];
            var b = line[(2 * plane)..];
            var to = pixels.AsSpan(row * grid.Width * channels);
            for (var column = tile.CoreLeft; column < Math.Min(tile.CoreRight, grid.Width); column++)
            {
                var (at, o) = (column - tile.Left, column * channels);
                to[o + 2] = ToByte(b[at]);
                to[o + 1] = ToByte(g[at]);
                to[o] = ToByte(line[at]);
            }
        });
    }

    /// <summary>Rounds half up; NaN becomes 0.</summary>
    private static byte ToByte(float v) => v > 0 ? (byte)(Math.Min(v, 255f) + 0.5f) : (byte)0;

    private void Each(int count, Action<int> body)
    {
        if (threads == 1 || count < 16)
        {
            for (var i = 0; i < count; i++)
            {
                body(i);
            }

            return;
        }

        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, body);
    }
}
