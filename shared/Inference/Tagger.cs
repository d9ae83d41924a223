using System.Numerics.Tensors;
using System.Text.Json;
using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>A word that fits a picture.</summary>
/// <param name="Name">Lower case, singular, for instance <c>dog</c>.</param>
/// <param name="Score">Posterior probability, 0 to 1.</param>
public sealed record Tag(string Name, float Score);

/// <summary>
/// Tags from class logits by the model's tags.json: <c>{"tags":[{"name":"dog","classes":[3,7],"threshold":0.2}]}</c>. A tag's score is the softmax posterior summed over its
/// classes; it holds from its threshold on. General and special words are both kept (dog, animal): word search profits from either.
/// </summary>
public sealed class Tagger
{
    /// <summary>Most tags of one picture.</summary>
    public const int MaxTags = 24;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly TagDefinition[] definitions;
    private readonly int minClasses;

    /// <exception cref="ModelException">The file is malformed.</exception>
    public Tagger(string tagsFile)
    {
        try
        {
            definitions = JsonSerializer.Deserialize<TagsFile>(File.ReadAllBytes(tagsFile), Json)?.Tags ?? [];
        }
        catch (JsonException e)
        {
            throw new ModelException($"{tagsFile} is not of the form {{\"tags\":[{{\"name\",\"classes\",\"threshold\"}}]}}: {e.Message}", e);
        }

        if (definitions.Length == 0 || definitions.FirstOrDefault(d => string.IsNullOrWhiteSpace(d.Name) || d.Classes is not { Length: > 0 } || d.Classes.Min() < 0) is not null)
        {
            throw new ModelException($"{tagsFile}: every tag needs a name and at least one class of 0 or more.");
        }

        minClasses = definitions.Max(d => d.Classes.Max()) + 1;
    }

    /// <returns>
    /// Tags over their threshold, at most <see cref="MaxTags"/>: the most specific ones by score, each followed by the general ones that contain it (dog, animal, grass). By score
    /// alone the general words would always come first, for their posteriors are sums.
    /// </returns>
    public IReadOnlyList<Tag> Tags(PictureEmbedding embedding) => Tags(embedding.ClassLogits
        ?? throw new ModelException("The embedding carries no class logits; the model's manifest must name latents.classLogits for tags."));

    /// <inheritdoc cref="Tags(PictureEmbedding)"/>
    public IReadOnlyList<Tag> Tags(ReadOnlySpan<float> classLogits)
    {
        if (classLogits.Length < minClasses)
        {
            throw new ModelException($"tags.json names class {minClasses - 1} but the network has {classLogits.Length} classes.");
        }

        var posterior = new float[classLogits.Length];
        TensorPrimitives.SoftMax(classLogits, posterior);
        var held = definitions
            .Select(d => (d.Name, Score: Math.Min(1, d.Classes.Sum(c => posterior[c])), d.Threshold, Classes: d.Classes.ToHashSet()))
            .Where(t => t.Score >= t.Threshold)
            .OrderByDescending(t => t.Score).ThenBy(t => t.Name, StringComparer.Ordinal).ToArray();
        return [.. held
            .Where(t => !held.Any(other => other.Classes.IsProperSubsetOf(t.Classes)))
            .SelectMany(t => held.Where(other => other.Classes.IsProperSupersetOf(t.Classes)).OrderBy(other => other.Classes.Count).Prepend(t))
            .Select(t => new Tag(t.Name, t.Score)).Distinct().Take(MaxTags)];
    }

    /// <summary>A phrase for captions, for instance "dog, animal, grass". Empty without tags.</summary>
    public string Caption(IReadOnlyList<Tag> tags, int words = 6) => string.Join(", ", tags.Take(words).Select(t => t.Name));

    private sealed record TagsFile(TagDefinition[] Tags);

    private sealed record TagDefinition(string Name, int[] Classes, float Threshold);
}
