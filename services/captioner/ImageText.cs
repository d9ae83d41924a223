using ImageSearch.Captioner.Chat;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Captioner;

/// <summary>How the texts of an image become what is stored and what is indexed.</summary>
public static class ImageText
{
    /// <summary>
    /// Puts the uploader's words before the caption of the whole picture. They are one line, the captioner's words follow on the next: a caption
    /// with a line break has both.
    /// </summary>
    public static IReadOnlyList<RegionText> WithDescription(IReadOnlyList<RegionText> texts, string? description)
    {
        var words = CaptionJson.Clean(description ?? "", CaptionJson.LongestCaption);
        return words.Length == 0 ? texts : [.. texts.Select(t => t.Region == 0 ? t with { Caption = $"{words}\n{t.Caption}" } : t)];
    }

    /// <summary>The words by field. Tags of all regions count as tags of the picture, so that <c>tag:word</c> finds details too.</summary>
    public static LexicalDocument Document(IReadOnlyList<RegionText> texts, IEnumerable<string> keys) => new(
        [.. texts.SelectMany(t => t.Tags).Distinct()],
        texts.FirstOrDefault(t => t.Region == 0)?.Caption ?? "",
        [.. texts.Where(t => t.Region > 0 && t.Caption.Length > 0).Select(t => t.Caption)],
        KeyWords.Of(keys));
}
