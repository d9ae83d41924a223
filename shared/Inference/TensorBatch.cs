using Microsoft.ML.OnnxRuntime;

namespace ImageSearch.Inference;

internal static class TensorBatch
{
    /// <summary>[N, C, H, W]. A single input is wrapped without a copy.</summary>
    public static OrtValue Stack(IReadOnlyList<PictureTensor> batch)
    {
        var first = batch[0];
        var values = first.Values;
        if (batch.Count > 1)
        {
            values = new float[checked(batch.Count * first.Values.Length)];
            for (var i = 0; i < batch.Count; i++)
            {
                batch[i].Values.CopyTo(values, i * first.Values.Length);
            }
        }

        return OrtValue.CreateTensorValueFromMemory(values, [batch.Count, first.Channels, first.Height, first.Width]);
    }
}
