using ImageSearch.Imaging;
using ImageSearch.Models;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace ImageSearch.Inference;

/// <summary>
/// One ONNX session with the tensors that a manifest names, checked when opened so that a wrong manifest fails at start and not on the first picture. Thread-safe.
/// Inputs are wrapped without a copy; outputs are read in place.
/// </summary>
internal sealed class OnnxNetwork : IDisposable
{
    private readonly InferenceSession session;
    private readonly RunOptions runOptions = new();
    private readonly string[] inputs;
    private readonly string[] outputs;
    private readonly string name;

    public OnnxNetwork(ModelManifest manifest, string role, ModelsOptions options, string[] inputs, string[] outputs)
    {
        (this.inputs, this.outputs) = (inputs, outputs);
        name = $"{role} of model {manifest.Id}";
        session = OnnxSessions.Open(manifest.PathOf(role), options.Threads, options.Provider);
        try
        {
            Check(session.InputMetadata, inputs, "input");
            Check(session.OutputMetadata, outputs, "output");
            if (session.InputMetadata.Keys.Except(inputs).ToArray() is { Length: > 0 } more)
            {
                throw new ModelException($"The {name} also wants the inputs {string.Join(", ", more)}, which its manifest does not name.");
            }
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public TensorElementType InputType(string input) => session.InputMetadata[input].ElementDataType;

    /// <summary>Length of a dimension of an input; null when the graph leaves it open.</summary>
    public int? InputDimension(string input, int axis) => Dimension(session.InputMetadata[input], axis);

    /// <summary>Checks that an output is [N, length] where the graph says so.</summary>
    /// <exception cref="ModelException">It is not.</exception>
    public void RequireVectors(string output, int length)
    {
        var metadata = session.OutputMetadata[output];
        if (metadata.ElementDataType != TensorElementType.Float || metadata.Dimensions.Length != 2 || (Dimension(metadata, 1) ?? length) != length)
        {
            throw new ModelException($"Output {output} of the {name} is {metadata.ElementDataType} [{string.Join(", ", metadata.Dimensions)}]; its manifest promises float [N, {length}].");
        }
    }

    /// <summary>Runs once and copies each [N, length] output out as N rows.</summary>
    /// <returns>For each output in the order given at opening: its rows.</returns>
    /// <exception cref="InvalidDataException">The network refused the input or gave another number of rows.</exception>
    public float[][][] Run(int count, params OrtValue[] values)
    {
        try
        {
            using var results = Timed(values);
            return [.. results.Select((result, i) => Rows(result, count, outputs[i]))];
        }
        catch (OnnxRuntimeException e)
        {
            throw new InvalidDataException($"The {name} fails on this input: {e.Message}", e);
        }
    }

    private IDisposableReadOnlyCollection<OrtValue> Timed(OrtValue[] values)
    {
        using var time = ComputeTime.Measure(ComputeTime.OnnxRuntime);
        return session.Run(runOptions, inputs, values, outputs);
    }

    public void Dispose()
    {
        session.Dispose();
        runOptions.Dispose();
    }

    private float[][] Rows(OrtValue result, int count, string output)
    {
        var shape = result.GetTensorTypeAndShape().Shape;
        if (shape.Length != 2 || shape[0] != count)
        {
            throw new InvalidDataException($"Output {output} of the {name} has the shape [{string.Join(", ", shape)}] for {count} inputs.");
        }

        var length = checked((int)shape[1]);
        var data = result.GetTensorDataAsSpan<float>();
        var rows = new float[count][];
        for (var i = 0; i < count; i++)
        {
            rows[i] = data.Slice(i * length, length).ToArray();
        }

        return rows;
    }

    private void Check(IReadOnlyDictionary<string, NodeMetadata> metadata, string[] names, string what)
    {
        if (names.FirstOrDefault(n => !metadata.ContainsKey(n)) is { } missing)
        {
            throw new ModelException($"The {name} has no {what} '{missing}'; it has {string.Join(", ", metadata.Keys)}. Correct the manifest.");
        }
    }

    private static int? Dimension(NodeMetadata metadata, int axis) =>
        axis < metadata.Dimensions.Length && metadata.Dimensions[axis] > 0 ? metadata.Dimensions[axis] : null;
}
