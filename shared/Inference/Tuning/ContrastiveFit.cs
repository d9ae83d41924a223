using System.Numerics.Tensors;

namespace ImageSearch.Inference.Tuning;

/// <summary>
/// Low-rank update of a correction by the symmetric contrastive loss of CLIP (InfoNCE; Radford et al. 2021): y = W0 v + b0 + B A (v - m), A [r, D], B [D, r], B from zero as in LoRA
/// (Hu et al. 2021), by Adam with decoupled weight decay. Texts stay as they are.
/// </summary>
internal sealed class ContrastiveFit
{
    private const float LearningRate = 4e-3f;
    private const float Decay = 0.02f;
    private const int MaxBatch = 64;

    private readonly IReadOnlyList<TuningPair> pairs;
    private readonly LinearCorrection start;
    private readonly float logitScale;
    private readonly int rank;
    private readonly int size;
    private readonly float[] mean;
    private readonly float[][] centred;
    private readonly float[][] started;
    private readonly Adam down;
    private readonly Adam up;
    private readonly Random random;

    // Numbers for texts: comparing them is done for each pair of pairs in each step.
    private readonly int[] textIds;

    public ContrastiveFit(IReadOnlyList<TuningPair> pairs, LinearCorrection start, int rank, float logitScale, int seed)
    {
        (this.pairs, this.start, this.rank, this.logitScale) = (pairs, start, rank, logitScale);
        size = start.Dimensions;
        random = new Random(seed);
        var ids = new Dictionary<string, int>();
        textIds = [.. pairs.Select(p => ids.TryGetValue(p.TextKey, out var id) ? id : ids[p.TextKey] = ids.Count)];
        mean = VectorMath.Mean([.. pairs.Select(p => p.Picture)]);
        centred = [.. pairs.Select(p => p.Picture.Zip(mean, (a, b) => a - b).ToArray())];
        started = [.. pairs.Select(p => start.Map(p.Picture))];
        down = new([.. Enumerable.Range(0, rank * size).Select(_ => (float)(((random.NextDouble() * 2) - 1) * Math.Sqrt(3.0 / size)))]);
        up = new(new float[size * rank]);
    }

    /// <summary>Runs on to each number of steps and gives the correction reached there.</summary>
    public IEnumerable<(int Steps, LinearCorrection Correction)> Run(IReadOnlyList<int> checkpoints, CancellationToken ct)
    {
        var step = 0;
        foreach (var checkpoint in checkpoints)
        {
            for (; step < checkpoint; step++)
            {
                ct.ThrowIfCancellationRequested();
                Step();
            }

            yield return (checkpoint, Current());
        }
    }

    private LinearCorrection Current()
    {
        var weights = (float[])start.Weights.Clone();
        for (var i = 0; i < size; i++)
        {
            for (var k = 0; k < rank; k++)
            {
                VectorMath.AddScaled(weights.AsSpan(i * size, size), up.Values[(i * rank) + k], down.Values.AsSpan(k * size, size));
            }
        }

        // b = b0 - B A m, which is b0 + W0 m - W m.
        var bias = (float[])start.Bias.Clone();
        for (var i = 0; i < size; i++)
        {
            bias[i] += TensorPrimitives.Dot<float>(start.Weights.AsSpan(i * size, size), mean) - TensorPrimitives.Dot<float>(weights.AsSpan(i * size, size), mean);
        }

        return new(weights, bias);
    }

    private void Step()
    {
        var batch = Draw();
        var hidden = new float[batch.Length][];
        var outputs = new float[batch.Length][];
        var lengths = new float[batch.Length];
        for (var i = 0; i < batch.Length; i++)
        {
            hidden[i] = new float[rank];
            outputs[i] = (float[])started[batch[i]].Clone();
            for (var k = 0; k < rank; k++)
            {
                hidden[i][k] = TensorPrimitives.Dot<float>(down.Values.AsSpan(k * size, size), centred[batch[i]]);
            }

            for (var d = 0; d < size; d++)
            {
                outputs[i][d] += TensorPrimitives.Dot<float>(up.Values.AsSpan(d * rank, rank), hidden[i]);
            }

            lengths[i] = Math.Max(TensorPrimitives.Norm<float>(outputs[i]), 1e-6f);
            TensorPrimitives.Divide(outputs[i], lengths[i], outputs[i]);
        }

        var gradient = LogitGradient(batch, outputs);
        var (downGradient, upGradient) = (new float[rank * size], new float[size * rank]);
        var (y, h) = (new float[size], new float[rank]);
        for (var i = 0; i < batch.Length; i++)
        {
            Array.Clear(y);
            for (var j = 0; j < batch.Length; j++)
            {
                VectorMath.AddScaled(y, gradient[i][j] * logitScale, pairs[batch[j]].TextVector);
            }

            // Through y / |y|: the part along the output falls away.
            VectorMath.AddScaled(y, -TensorPrimitives.Dot<float>(y, outputs[i]), outputs[i]);
            TensorPrimitives.Divide(y, lengths[i], y);
            Array.Clear(h);
            for (var d = 0; d < size; d++)
            {
                VectorMath.AddScaled(upGradient.AsSpan(d * rank, rank), y[d], hidden[i]);
                VectorMath.AddScaled(h, y[d], up.Values.AsSpan(d * rank, rank));
            }

            for (var k = 0; k < rank; k++)
            {
                VectorMath.AddScaled(downGradient.AsSpan(k * size, size), h[k], centred[batch[i]]);
            }
        }

        down.Update(downGradient, LearningRate, Decay);
        up.Update(upGradient, LearningRate, Decay);
    }

    private int[] Draw()
    {
        var order = Enumerable.Range(0, pairs.Count).ToArray();
        random.Shuffle(order);
        return order[..Math.Min(MaxBatch, order.Length)];
    }

    /// <summary>d loss / d logits [pictures, texts]: half the softmax over texts, half that over pictures, less the diagonal.</summary>
    private float[][] LogitGradient(int[] batch, float[][] outputs)
    {
        var n = batch.Length;
        var logits = new float[n][];
        var transposed = new float[n][];
        for (var i = 0; i < n; i++)
        {
            (logits[i], transposed[i]) = (new float[n], new float[n]);
        }

        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                // Another text of the same picture, or another picture with the same text, is no counter-example.
                var (a, b) = (pairs[batch[i]], pairs[batch[j]]);
                var logit = i != j && (a.Image == b.Image || textIds[batch[i]] == textIds[batch[j]]) ? -1e9f : logitScale * TensorPrimitives.Dot<float>(outputs[i], b.TextVector);
                (logits[i][j], transposed[j][i]) = (logit, logit);
            }
        }

        for (var i = 0; i < n; i++)
        {
            TensorPrimitives.SoftMax<float>(Shifted(logits[i]), logits[i]);
            TensorPrimitives.SoftMax<float>(Shifted(transposed[i]), transposed[i]);
        }

        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                logits[i][j] = (((logits[i][j] + transposed[j][i]) / 2) - (i == j ? 1 : 0)) / n;
            }
        }

        return logits;
    }

    // Largest logit to zero: the exponentials cannot overflow.
    private static float[] Shifted(float[] logits)
    {
        TensorPrimitives.Subtract(logits, TensorPrimitives.Max<float>(logits), logits);
        return logits;
    }

    /// <summary>Kingma and Ba 2015, with the weight decay of Loshchilov and Hutter 2019.</summary>
    private sealed class Adam(float[] values)
    {
        private readonly float[] first = new float[values.Length];
        private readonly float[] second = new float[values.Length];
        private int steps;

        public float[] Values => values;

        public void Update(float[] gradient, float rate, float decay)
        {
            steps++;
            var (c1, c2) = (1 - MathF.Pow(0.9f, steps), 1 - MathF.Pow(0.999f, steps));
            for (var i = 0; i < values.Length; i++)
            {
                first[i] = (0.9f * first[i]) + (0.1f * gradient[i]);
                second[i] = (0.999f * second[i]) + (0.001f * gradient[i] * gradient[i]);
                values[i] -= rate * ((first[i] / c1 / (MathF.Sqrt(second[i] / c2) + 1e-8f)) + (decay * values[i]));
            }
        }
    }
}
