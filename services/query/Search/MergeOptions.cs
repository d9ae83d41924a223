using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Query.Search;

/// <summary>
/// Settings section "Search:Chat": a server with the OpenAI chat API that merges a picture's caption and the user's words into one text. Without an
/// address the template does it.
/// </summary>
public sealed class MergeOptions : IValidatableObject
{
    public const string Section = "Search:Chat";

    /// <summary>Up to and without <c>/chat/completions</c>, for instance <c>http://127.0.0.1:11434/v1</c>.</summary>
    public string BaseAddress { get; set; } = "";

    public string Model { get; set; } = "";

    /// <summary>Sent as bearer token; local servers need none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>File that holds the key, for container secrets.</summary>
    public string? ApiKeyFile { get; set; }

    /// <summary>A search waits this long for the merged text, then the template is used.</summary>
    [Range(0.05, 30, ErrorMessage = "Search:Chat:Seconds must lie between 0.05 and 30.")]
    public double Seconds { get; set; } = 2;

    /// <summary>After a failure the server is left alone for so long, so that not every search waits for one that is down.</summary>
    [Range(0, 600, ErrorMessage = "Search:Chat:PauseSeconds must lie between 0 and 600.")]
    public double PauseSeconds { get; set; } = 15;

    public bool IsConfigured => BaseAddress.Length > 0;

    /// <summary>The key itself, from whichever place it lies in.</summary>
    public string? ReadKey() => !string.IsNullOrEmpty(ApiKeyFile) ? File.ReadAllText(ApiKeyFile).Trim() : ApiKey;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!IsConfigured)
        {
            yield break;
        }

        if (!Uri.TryCreate(BaseAddress, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            yield return new("Search:Chat:BaseAddress must be an http(s) address such as http://127.0.0.1:11434/v1.");
        }

        if (Model.Length == 0)
        {
            yield return new("Search:Chat:Model must name a model of the server.");
        }

        if (!string.IsNullOrEmpty(ApiKeyFile) && !File.Exists(ApiKeyFile))
        {
            yield return new($"Search:Chat:ApiKeyFile: there is no file {ApiKeyFile}.");
        }
    }
}
