using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Query.Search;

namespace ImageSearch.Query.Pictures;

/// <summary>Everything about one picture.</summary>
/// <param name="Objects">All keys that hold its bytes.</param>
/// <param name="Models">Embedding models that it has a vector under.</param>
public sealed record PictureDetails(
    ImageId Id, PictureView Picture, IReadOnlyList<ImageObject> Objects, BitstreamView? Bitstream, TextsView? Texts, IReadOnlyList<string> Models, PictureLinks Links)
{
    public static PictureDetails Of(ImageDetails d) => new(
        d.Summary.Id, PictureView.Of(d.Summary), d.Objects,
        d.Bitstream is { } b ? new(b.Model, b.Quality, b.Key, b.Bytes, Math.Round(8.0 * b.Bytes / ((double)d.Summary.Width * d.Summary.Height), 4), Math.Round((double)d.Summary.Bytes / b.Bytes, 2), b.EncodeMilliseconds) : null,
        d.Texts is { } t ? new(t.Captioner, t.PromptVersion, [.. t.Regions.Select(r => new RegionView(r.Region, r.X, r.Y, r.Width, r.Height, r.Caption, r.Tags))]) : null,
        d.Models, PictureLinks.Of(d.Summary.Id));
}

/// <param name="BitsPerPixel">Of the stream over the original's pixels.</param>
/// <param name="Ratio">Bytes of the original per byte of the stream.</param>
public sealed record BitstreamView(string Codec, float Quality, string Key, long Bytes, double BitsPerPixel, double Ratio, float EncodeMilliseconds);

/// <param name="Captioner">Who wrote the texts.</param>
public sealed record TextsView(string Captioner, string PromptVersion, IReadOnlyList<RegionView> Regions);

/// <summary>Rectangle as shares of width and height; region 0 is the whole picture.</summary>
public sealed record RegionView(int Region, float X, float Y, float Width, float Height, string Caption, IReadOnlyList<string> Tags);

public sealed record PictureLinks(string Content, string Thumbnail, string Similar, string Original)
{
    public static PictureLinks Of(ImageId id) => new($"/api/images/{id}/content", $"/api/images/{id}/thumbnail", $"/api/images/{id}/similar", $"/api/images/{id}/original");
}

/// <summary>Newest pictures first.</summary>
/// <param name="Before">Pass it as ?before= for the next page; null on the last one.</param>
public sealed record PictureList(IReadOnlyList<ListedPicture> Pictures, ImageId? Before);

public sealed record ListedPicture(ImageId Id, PictureView Picture);
