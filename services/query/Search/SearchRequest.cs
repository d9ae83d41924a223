using System.Security.Cryptography;
using System.Text.Json.Serialization;
using ImageSearch.Catalog;
using ImageSearch.Contracts;

namespace ImageSearch.Query.Search;

[JsonConverter(typeof(JsonStringEnumConverter<SearchMode>))]
public enum SearchMode
{
    [JsonStringEnumMemberName("hybrid")] Hybrid,
    [JsonStringEnumMemberName("dense")] Dense,
    [JsonStringEnumMemberName("lexical")] Lexical,
}

[JsonConverter(typeof(JsonStringEnumConverter<FusionMethod>))]
public enum FusionMethod
{
    [JsonStringEnumMemberName("convex")] Convex,
    [JsonStringEnumMemberName("rrf")] Rrf,
}

[JsonConverter(typeof(JsonStringEnumConverter<Composition>))]
public enum Composition
{
    /// <summary>Weighted sum of the vectors.</summary>
    [JsonStringEnumMemberName("vector")] Vector,

    /// <summary>The same, with the picture's own words merged into the text before it is encoded.</summary>
    [JsonStringEnumMemberName("template")] Template,

    /// <summary>The same, merged by the configured language model; as <see cref="Template"/> where there is none or it does not answer in time.</summary>
    [JsonStringEnumMemberName("llm")] Llm,
}

/// <summary>Weights of the parts of a composed query, 0 to 10.</summary>
public sealed record SearchWeights(double Text = 1, double Image = 1, double Negative = 0.5);

/// <param name="DenseWeight">0 to 1, for convex; null takes the configured one.</param>
/// <param name="RrfK">For rrf; null takes the configured one.</param>
public sealed record FusionRequest(FusionMethod Method = FusionMethod.Convex, double? DenseWeight = null, double? RrfK = null);

/// <summary>A search as the caller wrote it, checked. Wire names are the camel-case ones.</summary>
/// <param name="Text">Words, with <c>+must -not "phrase" tag:word prefix*</c>.</param>
/// <param name="Image">A picture of the collection as query.</param>
/// <param name="NegativeText">What the pictures must not show.</param>
/// <param name="K">Hits per page, 1 to 200.</param>
/// <param name="Cursor">From the previous page of the same search.</param>
public sealed record SearchRequest(
    string? Text = null,
    ImageId? Image = null,
    string? NegativeText = null,
    SearchWeights? Weights = null,
    Composition Compose = Composition.Vector,
    SearchMode Mode = SearchMode.Hybrid,
    FusionRequest? Fusion = null,
    ImageFilter? Filter = null,
    int? K = null,
    string? Cursor = null,
    bool Explain = false,
    bool GroupDuplicates = false,
    bool Exact = false)
{
    /// <summary>Bytes of an uploaded query picture; only multipart requests have them.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte>? Upload
    {
        get;
        init => (field, UploadHash) = (value, value is { } bytes ? Convert.ToHexString(SHA256.HashData(bytes.Span)) : null);
    }

    /// <summary>SHA-256 of <see cref="Upload"/>.</summary>
    [JsonIgnore]
    public string? UploadHash { get; private init; }

    [JsonIgnore]
    public bool HasPicture => Image is not null || Upload is not null;
}
