namespace ImageSearch.Imaging;

/// <summary>Bounds that hold before any pixel is decoded, so that a small file cannot claim a large amount of memory or time.</summary>
/// <param name="MaxBytes">Length of the file.</param>
/// <param name="MaxPixels">Width x height of one frame.</param>
/// <param name="MaxFrames">Frames of an animation or pages of a document.</param>
/// <param name="MaxSide">Longest side in pixels.</param>
/// <param name="MaxDecodeTime">
/// Wall-clock bound of one decode, looked at between strips of rows; 30 s when null. Formats that decode in one step (AVIF, GIF, progressive JPEG) are
/// bounded by <paramref name="MaxPixels"/> for that step.
/// </param>
public sealed record ImageLimits(
    long MaxBytes = 100L << 20,
    long MaxPixels = 100_000_000,
    int MaxFrames = 1000,
    int MaxSide = 65_500,
    TimeSpan? MaxDecodeTime = null)
{
    public static ImageLimits Default { get; } = new();

    internal TimeSpan DecodeTime => MaxDecodeTime ?? TimeSpan.FromSeconds(30);

    internal void CheckBytes(long bytes)
    {
        if (bytes > MaxBytes)
        {
            throw new PictureException(PictureError.TooLarge, $"The file has {bytes:N0} bytes; {MaxBytes:N0} are allowed. Save it smaller and try again.");
        }
    }

    internal void CheckHeader(int width, int height, int frames)
    {
        // An array holds 2 GB, 4 bytes a pixel.
        var maxPixels = Math.Min(MaxPixels, 500_000_000);
        if ((long)width * height > maxPixels || Math.Max(width, height) > MaxSide)
        {
            throw new PictureException(PictureError.TooLarge,
                $"The picture has {width} x {height} pixels; {maxPixels:N0} pixels with sides up to {MaxSide:N0} are allowed. Scale it down and try again.");
        }

        if (frames > MaxFrames)
        {
            throw new PictureException(PictureError.TooManyFrames, $"The file has {frames:N0} frames; {MaxFrames:N0} are allowed. Save one frame as a picture and try again.");
        }
    }
}
