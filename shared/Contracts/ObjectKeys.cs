namespace ImageSearch.Contracts;

/// <summary>Keys in the derived bucket. They follow from content and settings alone, so that doing a step twice writes the same object.</summary>
public static class ObjectKeys
{
    public const string BitstreamPrefix = "bitstreams/";
    public const string ThumbnailPrefix = "thumbnails/";

    /// <param name="id">Image.</param>
    /// <param name="codec">Codec model as <c>name/version</c>.</param>
    /// <param name="quality">1 to 8.</param>
    public static string Bitstream(ImageId id, string codec, float quality) =>
        FormattableString.Invariant($"{BitstreamPrefix}{id.Hex[..2]}/{id.Hex}/{codec.Replace('/', '-')}-q{quality:0.##}.lic");

    public static string Thumbnail(ImageId id) => $"{ThumbnailPrefix}{id.Hex[..2]}/{id.Hex}.webp";

    /// <summary>The image that an object in the derived bucket belongs to; null for foreign keys.</summary>
    public static ImageId? ImageOf(string key)
    {
        var parts = key.Split('/');
        var hex = parts switch
        {
            ["bitstreams", _, var id, _] => id,
            ["thumbnails", _, var file] when file.EndsWith(".webp", StringComparison.Ordinal) => file[..^5],
            _ => null,
        };
        return ImageId.TryParse(hex, out var image) ? image : null;
    }
}
