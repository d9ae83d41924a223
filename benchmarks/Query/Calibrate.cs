using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;

namespace ImageSearch.Benchmarks.Query;

/// <summary>
/// Fits a model's calibration on one set of labelled pictures and tests it on another, both ways round. In each set half of the labels make up the collection
/// and the names of the other half ask for what is not there, then the other way round. What is stored is fitted on both sets together.
/// </summary>
internal static class Calibrate
{
    private const int Top = 5;

    private static readonly SearchOptions Search = new();

    /// <summary>The aims: absent things called absent, and true matches among the first five cut at most.</summary>
    private const double Said = 0.8, Cut = 0.1;

    /// <param name="Best">Deviations of the best hit.</param>
    /// <param name="True">Deviations of the true matches among the first five.</param>
    /// <param name="Tail">Of the query's background.</param>
    private sealed record Query(bool Present, double Best, double[] True, double Tail)
    {
        public Query Less(double tail) => this with { Best = Best - (tail * Tail), True = [.. True.Select(z => z - (tail * Tail))] };
    }

    /// <param name="sets">What <see cref="LabelledVectors.Save"/> wrote, two of them.</param>
    /// <param name="write">Puts the result into the model's manifest.</param>
    public static void Run(string models, string name, string[] sets, bool write)
    {
        using var opener = LabelledVectors.Opener(models);
        using var model = LabelledVectors.Open(opener, models, name);
        var vectors = sets.Select(s => LabelledVectors.Load(s, model.Registered.Dimensions)).ToArray();
        var relevance = new JsonObject();
        foreach (var (kind, ask) in new (string, Func<LabelledVectors, IReadOnlyList<float[]>, List<Query>>)[] { ("text", ByName), ("image", ByPicture) })
        {
            // Pictures of the other set are as good as shipped ones: they have nothing to do with the collection.
            Query[][] queries = [.. vectors.Select((v, i) => ask(v, model.Shipped.Count >= Background.MinReference ? model.Shipped : vectors[1 - i].Pictures).ToArray())];
            Console.WriteLine($"\n{name}, queries by {kind}\n\n| fitted on | midpoint | slope | tail | tested on | absent called so | true matches in the top {Top} cut |\n|---|---|---|---|---|---|---|");

            // A set with one picture a label has no true matches for its pictures.
            int[] usable = [.. Enumerable.Range(0, 2).Where(i => Found(queries[i]).Length > 0)];
            foreach (var i in usable)
            {
                var fitted = Fit([queries[i]]);
                foreach (var tested in usable)
                {
                    Print(Path.GetFileName(sets[i]), fitted, Path.GetFileName(sets[tested]), queries[tested]);
                }
            }

            // What could not be tested on another set is not written down.
            var now = kind == "text" ? model.Calibration.Text : model.Calibration.Image;
            var both = usable.Length == 2 ? Fit([.. usable.Select(i => queries[i])]) : now;
            foreach (var i in usable)
            {
                Print("all", both, Path.GetFileName(sets[i]), queries[i]);
                Print("(what the model has)", now, Path.GetFileName(sets[i]), queries[i]);
            }

            relevance[kind] = new JsonObject { ["midpoint"] = Math.Round(both.Midpoint, 2), ["slope"] = Math.Round(both.Slope, 2), ["tail"] = Math.Round(both.Tail, 2) };
        }

        Console.WriteLine($"\n\"relevance\": {relevance.ToJsonString()}");
        if (write)
        {
            ModelManifest.Load(models, name).Store("relevance", relevance);
        }
    }

    private static List<Query> ByName(LabelledVectors set, IReadOnlyList<float[]> reference) =>
        Ask(set, reference, [.. set.Names.Zip(set.Texts, (n, t) => (n, t, -1))]);

    private static List<Query> ByPicture(LabelledVectors set, IReadOnlyList<float[]> reference) =>
        Ask(set, reference, [.. set.Pictures.Select((p, i) => (set.Labels[i], p, i)).Where(q => q.i % 4 == 0)]);

    private static List<Query> Ask(LabelledVectors set, IReadOnlyList<float[]> reference, (string Label, float[] Vector, int Self)[] asked)
    {
        List<Query> queries = [];
        var backgrounds = asked.Select(q => Background.Of(q.Vector, reference)).ToArray();
        foreach (var half in (int[])[0, 1])
        {
            var inside = set.Names.Where((_, i) => i % 2 == half).ToHashSet();
            int[] collection = [.. Enumerable.Range(0, set.Pictures.Length).Where(i => inside.Contains(set.Labels[i]))];
            for (var q = 0; q < asked.Length; q++)
            {
                var (label, vector, self) = asked[q];
                var hits = collection.Where(i => i != self).Select(i => (Deviations: backgrounds[q].Deviations(TensorPrimitives.Dot<float>(vector, set.Pictures[i])), True: set.Labels[i] == label))
                    .OrderByDescending(h => h.Deviations).Take(Top).ToArray();
                queries.Add(new(inside.Contains(label), hits[0].Deviations, [.. hits.Where(h => h.True).Select(h => h.Deviations)], backgrounds[q].Tail));
            }
        }

        return queries;
    }

    /// <summary>
    /// The midpoint and the weight of the tail where falling short of either aim costs least, in proportion; the slope that makes the labels likeliest, both kinds counting the same.
    /// The slope says how far below the midpoint the following hits may lie, so it is all done again with the slope found. Sets count the same, however many queries they have.
    /// </summary>
    private static Calibration Fit(Query[][] sets) => Fit(sets, Fit(sets, ModelCalibration.Default.Text.Slope).Slope);

    private static Calibration Fit(Query[][] sets, double assumed)
    {
        double Loss(Query[] queries, double midpoint)
        {
            var (said, cut) = Shares(queries, midpoint, assumed);
            return Math.Max(0, Said - said) + Math.Max(0, cut - Cut) + (0.01 * (1 - said + cut));
        }

        var (tail, midpoint, _) = Enumerable.Range(0, 16).Select(i => i * 0.1).SelectMany(t =>
        {
            Query[][] less = [.. sets.Select(s => s.Select(q => q.Less(t)).ToArray())];
            return Enumerable.Range(0, 121).Select(i => -4 + (i * 0.1)).Select(m => (Tail: t, Midpoint: m, Loss: less.Sum(s => Loss(s, m))));
        }).MinBy(c => c.Loss);
        var fitted = sets.Select(s => s.Select(q => q.Less(tail)).ToArray()).Select(f => (Absent: Absent(f), Found: Found(f))).ToArray();
        static double Surprise(double x) => x > 30 ? x : Math.Log(1 + Math.Exp(x));
        var slope = Enumerable.Range(2, 59).Select(i => i * 0.05)
            .MinBy(s => fitted.Sum(f => f.Absent.Average(z => Surprise(s * (z - midpoint))) + f.Found.Average(z => Surprise(-s * (z - midpoint)))));
        return new(midpoint, slope, tail);
    }

    /// <summary>As the service decides: the best hit must reach the midpoint, and the following ones <see cref="SearchOptions.FollowingCutoff"/>.</summary>
    private static (double Said, double Cut) Shares(Query[] queries, double midpoint, double slope)
    {
        var following = midpoint - (Math.Log((1 / Search.FollowingCutoff) - 1) / slope);
        var (absent, said, found, cut) = (0, 0, 0, 0);
        foreach (var query in queries)
        {
            absent += query.Present ? 0 : 1;
            said += !query.Present && query.Best < midpoint ? 1 : 0;
            found += query.Present ? query.True.Length : 0;
            cut += query.Present ? query.True.Count(z => query.Best < midpoint || z < following) : 0;
        }

        return (said / (double)absent, cut / (double)found);
    }

    private static double[] Absent(Query[] queries) => [.. queries.Where(q => !q.Present).Select(q => q.Best)];

    private static double[] Found(Query[] queries) => [.. queries.Where(q => q.Present).SelectMany(q => q.True)];

    private static void Print(string fitted, Calibration c, string tested, Query[] queries)
    {
        var (said, cut) = Shares([.. queries.Select(q => q.Less(c.Tail))], c.Midpoint, c.Slope);
        Console.WriteLine($"| {fitted} | {c.Midpoint:0.00} | {c.Slope:0.00} | {c.Tail:0.00} | {tested} | {said:P0} | {cut:P0} |");
    }
}
