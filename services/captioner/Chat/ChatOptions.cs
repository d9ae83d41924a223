using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Captioner.Chat;

/// <summary>Settings section "Captioner:Chat": a server with the OpenAI chat API and a model that sees.</summary>
public sealed class ChatOptions : IValidatableObject
{
    public const string Section = "Captioner:Chat";

    /// <summary>Up to and without <c>/chat/completions</c>, for instance <c>http://127.0.0.1:11434/v1</c>.</summary>
    public string BaseAddress { get; set; } = "";

    public string Model { get; set; } = "";

    /// <summary>Sent as bearer token; local servers need none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>File that holds the key, for container secrets.</summary>
    public string? ApiKeyFile { get; set; }

    /// <summary>Language of the captions, in English. The lexical index has its own setting, which should fit.</summary>
    [Required(ErrorMessage = "Captioner:Chat:Language must not be empty.")]
    public string Language { get; set; } = "English";

    /// <summary>Pixels of the longest side of each picture and crop that is sent. More shows more and costs more tokens.</summary>
    [Range(64, 4096, ErrorMessage = "Captioner:Chat:LongestSide must lie between 64 and 4096.")]
    public int LongestSide { get; set; } = 768;

    public string PromptVersion { get; set; } = "v1";

    /// <summary>Requests at once, and pictures in hand.</summary>
    [Range(1, 256, ErrorMessage = "Captioner:Chat:Concurrency must lie between 1 and 256.")]
    public int Concurrency { get; set; } = 2;

    /// <summary>Time for one answer.</summary>
    [Range(0.1, 600, ErrorMessage = "Captioner:Chat:SecondsPerRequest must lie between 0.1 and 600.")]
    public double SecondsPerRequest { get; set; } = 60;

    /// <summary>Time for all regions of a picture, with retries. When it is spent, the crops that are left go without words.</summary>
    [Range(0.1, 1200, ErrorMessage = "Captioner:Chat:SecondsPerPicture must lie between 0.1 and 1200.")]
    public double SecondsPerPicture { get; set; } = 180;

    /// <summary>Prompt and answer tokens for all regions of a picture, as the server counts them. When they are spent, the crops that are left go without words.</summary>
    [Range(100, 1_000_000, ErrorMessage = "Captioner:Chat:TokensPerPicture must lie between 100 and 1000000.")]
    public int TokensPerPicture { get; set; } = 20_000;

    /// <summary>Length of one answer.</summary>
    [Range(32, 8192, ErrorMessage = "Captioner:Chat:TokensPerAnswer must lie between 32 and 8192.")]
    public int TokensPerAnswer { get; set; } = 400;

    /// <summary>How the server is asked for JSON: by <c>schema</c>, as some <c>object</c>, or with <c>none</c> but words. Falls back by itself when the server refuses.</summary>
    [RegularExpression("^(schema|object|none)$", ErrorMessage = "Captioner:Chat:JsonMode must be schema, object or none.")]
    public string JsonMode { get; set; } = "schema";

    /// <summary>Tries after the first one of a request that failed for the server's sake.</summary>
    [Range(0, 10, ErrorMessage = "Captioner:Chat:Retries must lie between 0 and 10.")]
    public int Retries { get; set; } = 2;

    /// <summary>Pause before the first retry; it doubles, with jitter. A server's Retry-After goes before it.</summary>
    [Range(0.001, 60, ErrorMessage = "Captioner:Chat:RetrySeconds must lie between 0.001 and 60.")]
    public double RetrySeconds { get; set; } = 1;

    /// <summary>How long the circuit stays open when half of the requests fail.</summary>
    [Range(0.5, 600, ErrorMessage = "Captioner:Chat:BreakSeconds must lie between 0.5 and 600.")]
    public double BreakSeconds { get; set; } = 15;

    /// <summary>The key itself, from whichever place it lies in.</summary>
    public string? ReadKey() => !string.IsNullOrEmpty(ApiKeyFile) ? File.ReadAllText(ApiKeyFile).Trim() : ApiKey;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!Uri.TryCreate(BaseAddress, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            yield return new("Captioner:Chat:BaseAddress must be an http(s) address such as http://127.0.0.1:11434/v1.");
        }

        if (Model.Length == 0)
        {
            yield return new("Captioner:Chat:Model must name a model of the server that sees pictures.");
        }

        if (!Prompt.Versions.Contains(PromptVersion))
        {
            yield return new($"Captioner:Chat:PromptVersion must be one of {string.Join(", ", Prompt.Versions)}.");
        }

        if (!string.IsNullOrEmpty(ApiKeyFile) && !File.Exists(ApiKeyFile))
        {
            yield return new($"Captioner:Chat:ApiKeyFile: there is no file {ApiKeyFile}.");
        }
    }
}
