using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Ingest;

/// <summary>Settings section "Ingest".</summary>
public sealed class IngestOptions
{
    public const string Section = "Ingest";

    /// <summary>Largest object that is taken, in bytes.</summary>
    [Range(1024, 2_000_000_000)]
    public long MaxBytes { get; set; } = 100L << 20;

    /// <summary>Largest picture that is taken, width times height.</summary>
    [Range(1, 1_000_000_000)]
    public long MaxPixels { get; set; } = 100_000_000;

    /// <summary>Frames of an animation that is taken (its first frame is kept).</summary>
    [Range(1, 100_000)]
    public int MaxFrames { get; set; } = 2000;

    /// <summary>Events handled at once.</summary>
    [Range(1, 256)]
    public int Concurrency { get; set; } = 8;

    /// <summary>How often store and catalogue are compared; a lost event is found after this time at the latest.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan ReconcilePeriod { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Uploads and objects lie here while they are looked at, up to <see cref="MaxBytes"/> each: a disk, not a file system in memory.</summary>
    [Required]
    public string TemporaryFolder { get; set; } = Path.GetTempPath();

    /// <summary>Files in one POST /images.</summary>
    [Range(1, 10_000)]
    public int MaxFilesPerUpload { get; set; } = 100;
}
