using ImageSearch.Catalog;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ImageSearch.Captioner;

/// <summary>Turns a picture into words, region by region.</summary>
public interface ICaptioner
{
    /// <summary>Stored with every text, for instance <c>tagger:lic-adapter/1</c> or <c>mllm:llava:7b</c>.</summary>
    string Name { get; }

    /// <summary>Everything else that makes the words differ: prompt, language, crops. Stored with every text; another value means that the text is outdated.</summary>
    string Version { get; }

    /// <summary>Whether pictures can be captioned now, with the reason where not.</summary>
    HealthCheckResult Health { get; }

    /// <param name="original">The picture file.</param>
    /// <returns>Texts in order of their regions; the whole picture (region 0) is always there.</returns>
    /// <exception cref="CaptionException">No words came of it; its kind says whose fault that is.</exception>
    /// <exception cref="Imaging.PictureException">The file cannot be decoded.</exception>
    Task<IReadOnlyList<RegionText>> CaptionAsync(ReadOnlyMemory<byte> original, CancellationToken ct = default);
}
