using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ImageSearch.Evaluation;
using ImageSearch.Imaging;

namespace ImageSearch.Cli.Evaluation;

/// <param name="Captions">Captions asked at most.</param>
/// <param name="Pictures">Pictures asked for their like at most.</param>
/// <param name="Distorted">Pictures distorted at most.</param>
public sealed record SampleSizes(int Captions, int Pictures, int Distorted)
{
    public static readonly SampleSizes Quick = new(600, 150, 30), Full = new(int.MaxValue, int.MaxValue, 200);
}

/// <summary>Puts a set's queries to the running system and judges what comes back.</summary>
public sealed partial class RetrievalTasks(SearchClient search, StoredSet stored, SampleSizes samples, int parallel)
{
    // What the search gives on one page, and deep enough for mAP@50 and the curves of classes with tens of pictures.
    internal const int Depth = 200;

    private const int CaptionDepth = 50;

    private static readonly (string Name, string Mode, string? Fusion)[] Legs =
        [(FusionGate.Dense, "dense", null), (FusionGate.Lexical, "lexical", null), (FusionGate.Fused, "hybrid", "convex"), ("fused, RRF", "hybrid", "rrf")];

    private readonly List<FusionTask> fused = [];

    /// <summary>What fused searches by words found, with both legs' opinions: what a weight is fitted to.</summary>
    public IReadOnlyList<FusionTask> Fused => fused;

    /// <summary>Sentences, each about one picture.</summary>
    public async Task<IReadOnlyList<Measurement>> CaptionsAsync(CancellationToken ct)
    {
        var queries = Sample(stored.Set.Of(QueryKind.Caption), samples.Captions);
        List<Measurement> measured = [];
        foreach (var leg in queries.Count > 0 ? Legs : [])
        {
            var judged = await LegAsync("captions", leg, queries, CaptionDepth, ct);
            measured.Add(new("caption to picture", leg.Name, judged.Count, Scores.OneRight(judged)));
        }

        return measured;
    }

    /// <summary>Names of what is shown.</summary>
    public async Task<IReadOnlyList<Measurement>> LabelsAsync(CancellationToken ct)
    {
        var queries = stored.Set.Of(QueryKind.Label).ToArray();
        List<Measurement> measured = [];
        foreach (var leg in queries.Length > 0 ? Legs : [])
        {
            var judged = await LegAsync("labels", leg, queries, Depth, ct);
            measured.Add(new("label to pictures", leg.Name, judged.Count, Scores.ManyRight(judged), [.. PrecisionRecall.MeanCurve(judged).Select(p => p * 100)]));
        }

        return measured;
    }

    /// <summary>Pictures for others that show the same, alone and together with the label's words.</summary>
    public async Task<IReadOnlyList<Measurement>> PicturesAsync(CancellationToken ct)
    {
        var queries = Sample(stored.Set.Of(QueryKind.Picture), samples.Pictures);
        List<Measurement> measured = [];
        if (queries.Count == 0)
        {
            return measured;
        }

        foreach (var (name, compose) in new[] { ("picture alone", null), ("picture and label, summed", "vector"), ("picture and label, template", "template") })
        {
            if (compose is not null && queries.Any(q => q.Text is null))
            {
                continue;
            }

            var judged = await JudgeAsync(queries, q =>
            {
                var request = Request(compose is null ? "dense" : "hybrid", null, Depth);
                if (compose is not null)
                {
                    (request["text"], request["compose"]) = (q.Text, compose);
                }

                if (q.Region is null)
                {
                    request["image"] = stored.Ids[q.Picture!].Hex;
                    return (request, null);
                }

                var picture = ImageFiles.Decode(File.ReadAllBytes(PathOf(q.Picture!)));
                var (x, y) = (Math.Clamp((int)q.Region.X, 0, picture.Width - 1), Math.Clamp((int)q.Region.Y, 0, picture.Height - 1));
                return (request, ImageFiles.Encode(picture.Crop(x, y, Math.Clamp((int)q.Region.Width, 1, picture.Width - x), Math.Clamp((int)q.Region.Height, 1, picture.Height - y)), ImageFormat.Png));
            }, ct);
            measured.Add(new("picture to pictures", name, judged.Count, Scores.ManyRight(judged)));
        }

        return measured;
    }

    /// <summary>Changed copies of pictures, for the picture itself.</summary>
    public async Task<IReadOnlyList<Measurement>> DistortedAsync(CancellationToken ct)
    {
        var pictures = Sample(stored.Set.Pictures, samples.Distorted);
        List<Measurement> measured = [];
        foreach (var (name, apply) in Distortions.All)
        {
            var judged = await JudgeAsync(
                [.. pictures.Select(p => new EvaluationQuery(QueryKind.Picture, null, p.Name, new HashSet<string> { p.Name }, new HashSet<string>()))],
                q => (Request("dense", null, 50), apply(ImageFiles.Decode(File.ReadAllBytes(PathOf(q.Picture!))))), ct);
            measured.Add(new("distorted copy to picture", name, judged.Count, Scores.OneRight(judged)));
        }

        return measured;
    }

    /// <summary>A leg's answers to words, judged down to a depth. The fused list is read as deep as it goes, for the fit.</summary>
    private async Task<IReadOnlyList<Judgement>> LegAsync(string question, (string Name, string Mode, string? Fusion) leg, IReadOnlyList<EvaluationQuery> queries, int depth, CancellationToken ct)
    {
        var isFused = leg.Name == FusionGate.Fused;
        var answers = await AskAsync(queries, q => Words(q, leg.Mode, leg.Fusion, isFused ? Depth : depth), ct);
        if (isFused)
        {
            fused.Add(new($"{stored.Set.Name}, {question}", answers));
        }

        return Judged(answers, depth);
    }

    private async Task<IReadOnlyList<Judgement>> JudgeAsync(IReadOnlyList<EvaluationQuery> queries, Func<EvaluationQuery, (JsonObject Request, byte[]? File)> ask, CancellationToken ct) =>
        Judged(await AskAsync(queries, ask, ct), Depth);

    private static IReadOnlyList<Judgement> Judged(IReadOnlyList<FusedQuery> answers, int depth) =>
        [.. answers.Select(a => Judgement.Of(a.Candidates.Take(depth).Select(c => c.Id), a.Relevant, a.Ignored))];

    /// <summary>The candidates stand in the order in which they came back.</summary>
    private async Task<IReadOnlyList<FusedQuery>> AskAsync(IReadOnlyList<EvaluationQuery> queries, Func<EvaluationQuery, (JsonObject Request, byte[]? File)> ask, CancellationToken ct)
    {
        var answers = new FusedQuery?[queries.Count];
        await Parallel.ForAsync(0, queries.Count, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = ct }, async (i, token) =>
        {
            var (request, file) = ask(queries[i]);
            var relevant = Ids(queries[i].Relevant);
            var ignored = Ids(queries[i].Ignored);

            // A copy of the query's picture under another name would be right and ignored at once.
            answers[i] = relevant.IsSubsetOf(ignored) ? null : new(await search.SearchAsync(request, file, token), relevant, ignored);
        });
        return [.. answers.OfType<FusedQuery>()];
    }

    private (JsonObject Request, byte[]? File) Words(EvaluationQuery query, string mode, string? fusion, int k)
    {
        var request = Request(mode, fusion, k);
        request["text"] = Plain(query.Text!);
        return (request, null);
    }

    private JsonObject Request(string mode, string? fusion, int k)
    {
        var request = new JsonObject { ["mode"] = mode, ["k"] = k, ["filter"] = new JsonObject { ["keyPrefix"] = stored.Prefix } };
        if (fusion is not null)
        {
            request["fusion"] = new JsonObject { ["method"] = fusion };
        }

        return request;
    }

    /// <summary>A caption is meant as words: what the search would read as an operator is taken out.</summary>
    internal static string Plain(string text) => Operators().Replace(text, " ").Trim();

    [GeneratedRegex(@"[""*:]|(?<=^|\s)[+-]+")]
    private static partial Regex Operators();

    private HashSet<string> Ids(IEnumerable<string> names) => [.. names.Where(stored.Ids.ContainsKey).Select(n => stored.Ids[n].Hex)];

    private string PathOf(string name) => stored.Set.Pictures.First(p => p.Name == name).Path;

    /// <summary>The same ones in every run.</summary>
    internal static IReadOnlyList<T> Sample<T>(IEnumerable<T> all, int count)
    {
        var items = all.ToArray();
        if (items.Length > count)
        {
            new Random(8).Shuffle(items);
        }

        return [.. items.Take(count)];
    }
}
