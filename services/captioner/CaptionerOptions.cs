using System.ComponentModel.DataAnnotations;
using ImageSearch.Models;

namespace ImageSearch.Captioner;

/// <summary>Settings section "Captioner".</summary>
public sealed class CaptionerOptions
{
    public const string Section = "Captioner";

    /// <summary><c>tagger</c>: words from the shipped models, no server. <c>mllm</c>: a multi-modal LLM, see <see cref="Chat.ChatOptions"/>.</summary>
    [RegularExpression("^(tagger|mllm)$", ErrorMessage = "Captioner:Kind must be tagger or mllm.")]
    public string Kind { get; set; } = "tagger";

    /// <summary>Crops that are described besides the whole picture.</summary>
    [RegularExpression("^(none|2x2|3x3)$", ErrorMessage = "Captioner:Grid must be none, 2x2 or 3x3.")]
    public string Grid { get; set; } = "2x2";

    /// <summary>Share of a crop's side that it has in common with its neighbour, so that a thing on the border is whole in one of them.</summary>
    [Range(0, 0.5, ErrorMessage = "Captioner:Overlap must lie between 0 and 0.5.")]
    public float Overlap { get; set; } = 0.2f;

    /// <summary>Embedding model whose tags the tagger takes, as <c>name/version</c>; its latents are those of Models:Codec.</summary>
    [RegularExpression("^[a-z0-9._-]+/[a-z0-9._-]+$", ErrorMessage = "Captioner:TaggerModel must be name/version of a model in Models:Directory.")]
    public string TaggerModel { get; set; } = ModelsOptions.DefaultEmbedding;

    /// <summary>Pictures at once with the tagger, 0 for one to every two cores (the codec has more to do); with an M-LLM Captioner:Chat:Concurrency counts.</summary>
    [Range(0, 64, ErrorMessage = "Captioner:Concurrency must lie between 0 and 64.")]
    public int Concurrency { get; set; }

    /// <summary>
    /// How long a picture waits in hand for a server that is down before it goes to the end of its queue. The broker takes messages back
    /// after 30 minutes without an answer, so this is less.
    /// </summary>
    [Range(0.0001, 25, ErrorMessage = "Captioner:PauseMinutes must be more than 0 and at most 25.")]
    public double PauseMinutes { get; set; } = 20;

    public int EffectiveConcurrency => Concurrency > 0 ? Concurrency : Math.Max(1, Environment.ProcessorCount / 2);
}
