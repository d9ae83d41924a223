using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Embedder;

/// <summary>Settings section "Embedder".</summary>
public sealed class EmbedderOptions
{
    public const string Section = "Embedder";

    /// <summary>Pictures in work at once; they share batches through the model.</summary>
    [Range(1, 1024)]
    public int Concurrency { get; set; } = 16;

    /// <summary>Largest bitstream that is read, in bytes.</summary>
    [Range(1024, 1L << 32)]
    public long MaxBytes { get; set; } = 512L << 20;
}
