using Microsoft.ML.OnnxRuntime;

namespace ImageSearch.Models;

/// <summary>Opens ONNX Runtime sessions the same way everywhere.</summary>
public static class OnnxSessions
{
    /// <param name="path">The .onnx file.</param>
    /// <param name="threads">Intra-op threads; 0 means one per core.</param>
    /// <param name="provider"><c>cpu</c> or <c>cuda</c>.</param>
    /// <exception cref="ModelException">The file or the provider cannot be loaded.</exception>
    public static InferenceSession Open(string path, int threads = 0, string provider = "cpu") =>
        Open(options => new InferenceSession(path, options), path, threads, provider);

    /// <summary>Opens a graph that is in memory, for instance with constants patched; <paramref name="name"/> is for the error message.</summary>
    /// <exception cref="ModelException">The graph or the provider cannot be loaded.</exception>
    public static InferenceSession Open(byte[] graph, string name, int threads = 0, string provider = "cpu") =>
        Open(options => new InferenceSession(graph, options), name, threads, provider);

    private static InferenceSession Open(Func<SessionOptions, InferenceSession> open, string name, int threads, string provider)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads > 0 ? threads : Environment.ProcessorCount,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };

        // Idle workers must not burn a core: threads sleep instead of spinning between runs.
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        try
        {
            if (provider == "cuda")
            {
                options.AppendExecutionProvider_CUDA();
            }

            return open(options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelException($"ONNX Runtime cannot open {name} with provider '{provider}': {e.Message}", e);
        }
    }
}
