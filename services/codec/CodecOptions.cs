using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Codec;

/// <summary>Settings section "Codec".</summary>
public sealed class CodecOptions
{
    public const string Section = "Codec";

    /// <summary>Quality of new bitstreams, 1 (smallest) to 8 (best); fractions are allowed.</summary>
    [Range(1.0, 8.0)]
    public float Quality { get; set; } = 5;

    /// <summary>Pictures encoded at once; 0 means one per core. Each takes Models:Threads threads.</summary>
    [Range(0, 256)]
    public int Concurrency { get; set; }

    /// <summary>Pixels in work at once over all pictures, which bounds memory; a larger picture is encoded alone.</summary>
    [Range(1, 1_000_000_000)]
    public long MaxPixelsInWork { get; set; } = 24_000_000;

    /// <summary>Largest original that is read, in bytes.</summary>
    [Range(1024, 1L << 32)]
    public long MaxBytes { get; set; } = 512L << 20;

    /// <summary>Longest side of thumbnails in pixels.</summary>
    [Range(16, 2048)]
    public int ThumbnailLongestSide { get; set; } = 360;

    public int EffectiveConcurrency => Concurrency > 0 ? Concurrency : Environment.ProcessorCount;
}
