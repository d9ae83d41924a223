namespace ImageSearch.Evaluation;

/// <param name="Name">Path below the set's folder with forward slashes, or the name its annotations use.</param>
/// <param name="Path">File.</param>
public sealed record EvaluationPicture(string Name, string Path);

public enum QueryKind
{
    /// <summary>A sentence about one picture.</summary>
    Caption,

    /// <summary>The name of what several pictures show.</summary>
    Label,

    /// <summary>A picture of the set (or a region of one), for others that show the same.</summary>
    Picture,
}

/// <summary>A rectangle in pixels.</summary>
public sealed record Region(double X, double Y, double Width, double Height);

/// <param name="Text">The sentence or label; for pictures the label that makes others relevant, if it has one.</param>
/// <param name="Picture">Name of the query's picture; null for words.</param>
/// <param name="Relevant">Names of the pictures that are right.</param>
/// <param name="Ignored">Names that count neither way.</param>
/// <param name="Region">The part of the picture that is asked for; null for all of it.</param>
public sealed record EvaluationQuery(
    QueryKind Kind, string? Text, string? Picture, IReadOnlySet<string> Relevant, IReadOnlySet<string> Ignored, Region? Region = null);

/// <summary>Pictures with queries whose right answers are known.</summary>
/// <param name="Format">Which loader read it.</param>
public sealed record EvaluationSet(string Name, string Format, IReadOnlyList<EvaluationPicture> Pictures, IReadOnlyList<EvaluationQuery> Queries)
{
    private static readonly IReadOnlySet<string> None = new HashSet<string>();

    /// <summary>What the uploader says about pictures, by name; the others come without words.</summary>
    public IReadOnlyDictionary<string, string> Descriptions { get; init; } = new Dictionary<string, string>();

    public IEnumerable<EvaluationQuery> Of(QueryKind kind) => Queries.Where(q => q.Kind == kind);

    /// <summary>At most this many of its pictures, the same ones each time, with the queries that still have an answer.</summary>
    public EvaluationSet Sample(int count)
    {
        if (Pictures.Count <= count)
        {
            return this;
        }

        var pictures = Pictures.ToArray();
        new Random(8).Shuffle(pictures);
        var left = pictures.Take(count).Select(p => p.Name).ToHashSet();
        var queries = Queries.Where(q => q.Picture is null || left.Contains(q.Picture)).Select(q => q with { Relevant = q.Relevant.Where(left.Contains).ToHashSet() });
        return this with { Pictures = [.. Pictures.Where(p => left.Contains(p.Name))], Queries = [.. queries.Where(q => q.Relevant.Any(r => !q.Ignored.Contains(r)))] };
    }

    /// <summary>
    /// The same pictures as somebody would upload them who writes a sentence about each: its first caption becomes the description, the others ask for it.
    /// Null where no picture has two captions.
    /// </summary>
    public EvaluationSet? Described()
    {
        var captions = Of(QueryKind.Caption).Where(q => q.Relevant.Count == 1).GroupBy(q => q.Relevant.Single()).Where(g => g.Count() > 1).ToArray();
        return captions.Length == 0 ? null
            : new(Name + "-described", Format + ", one caption of each picture as its description", Pictures, [.. captions.SelectMany(g => g.Skip(1))])
            {
                Descriptions = captions.ToDictionary(g => g.Key, g => g.First().Text!),
            };
    }

    public static EvaluationQuery CaptionQuery(string text, string picture) => new(QueryKind.Caption, text, null, new HashSet<string> { picture }, None);

    /// <summary>
    /// From what each picture shows: each label asks for its pictures; each picture with exactly one label asks for the others of that label.
    /// </summary>
    public static IEnumerable<EvaluationQuery> LabelQueries(IReadOnlyCollection<(string Picture, IReadOnlySet<string> Labels)> labelled)
    {
        var byLabel = labelled.SelectMany(p => p.Labels.Select(l => (Label: l, p.Picture))).ToLookup(p => p.Label, p => p.Picture);
        foreach (var group in byLabel.OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            yield return new(QueryKind.Label, group.Key, null, group.ToHashSet(), None);
        }

        foreach (var (picture, labels) in labelled.Where(p => p.Labels.Count == 1))
        {
            var others = byLabel[labels.Single()].Where(p => p != picture).ToHashSet();
            if (others.Count > 0)
            {
                yield return new(QueryKind.Picture, labels.Single(), picture, others, new HashSet<string> { picture });
            }
        }
    }
}

/// <summary>The folder is not what a loader expects, in words for the user.</summary>
public sealed class EvaluationSetException(string message) : Exception(message);
