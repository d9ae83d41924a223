namespace ImageSearch.Imaging;

/// <summary>What the header of a picture file says.</summary>
/// <param name="Format">By content, never by name.</param>
/// <param name="Width">Pixels after the EXIF orientation has been applied.</param>
/// <param name="Height">Pixels after the EXIF orientation has been applied.</param>
/// <param name="Frames">Frames or pages; 1 for a still picture. Only the first is ever decoded.</param>
/// <param name="HasAlpha">The file has a transparency channel.</param>
/// <param name="TakenAt">EXIF DateTimeOriginal with its offset; UTC is assumed where the camera wrote no offset. Null when absent or malformed.</param>
public sealed record ImageInfo(ImageFormat Format, int Width, int Height, int Frames, bool HasAlpha, DateTimeOffset? TakenAt);
