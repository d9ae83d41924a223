using System.Globalization;
using System.Text;
using ImageSearch.Evaluation;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Cli.Evaluation;

/// <summary>Figures as a Markdown page with plots, and as JSON.</summary>
public static class EvaluationReport
{
    private static readonly string[] OneRight = ["R@1", "R@5", "R@10", "nDCG@10", "MRR"];
    private static readonly string[] ManyRight = ["hit@1", "mAP@5", "mAP@10", "mAP@20", "mAP@50", "nDCG@10", "PR-AUC"];

    public static async Task WriteAsync(EvaluationResult result, string page, CancellationToken ct)
    {
        var plots = Path.ChangeExtension(page, null);
        Directory.CreateDirectory(plots);
        var folder = Path.GetFileName(plots);
        var text = new StringBuilder(Introduction(result));
        foreach (var set in result.Sets)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {set.Name}\n\n{set.Pictures:N0} pictures ({set.Format})");
            text.Append(set.PicturesPerSecond is { } rate ? string.Create(CultureInfo.InvariantCulture, $", searchable at {rate:F1} pictures/s") : "");
            text.Append(CultureInfo.InvariantCulture, $", model {set.Model ?? "none"}, measured in {set.Seconds / 60:F1} minutes.");
            text.AppendJoin("", set.Remarks.Select(r => " " + r)).Append('\n');
            Table(text, set, OneRight);
            Table(text, set, ManyRight);
            AsPublished(text, set);
            var curves = set.Measurements.Where(m => m.Curve is not null).ToArray();
            if (curves.Length > 0)
            {
                var svg = new LinePlot($"{set.Name}: precision over recall, mean over labels", "recall", "precision, %",
                    [.. curves.Select(c => new PlotLine(c.Leg, [.. PrecisionRecall.Levels.Zip(c.Curve!)]))], MinY: 0, MaxY: 100).ToSvg();
                var name = $"precision-recall-{set.Name}.svg";
                await File.WriteAllTextAsync(Path.Combine(plots, name), svg, ct);
                text.Append(CultureInfo.InvariantCulture, $"\n![Precision over recall on {set.Name}]({folder}/{Uri.EscapeDataString(name)})\n");
            }
        }

        Weights(text, result.Weight);
        await File.WriteAllTextAsync(Path.Combine(plots, "results.json"), result.ToJson(), ct);
        await File.WriteAllTextAsync(page, text.ToString(), ct);
    }

    private static void Table(StringBuilder text, SetResult set, string[] measures)
    {
        var rows = set.Measurements.Where(m => measures.All(m.Values.ContainsKey)).ToArray();
        if (rows.Length == 0)
        {
            return;
        }

        var table = new MarkdownTable(["question", "answered by", "queries", .. measures]);
        foreach (var row in rows)
        {
            table.Add([row.Task, row.Leg, row.Queries, .. measures.Select(m => (object)row.Values[m])]);
        }

        text.Append('\n').Append(table);
    }

    /// <summary>Where two published studies have their tables, from the same measurements.</summary>
    private static void AsPublished(StringBuilder text, SetResult set)
    {
        Measurement? Find(string task, string leg) => set.Measurements.FirstOrDefault(m => m.Task == task && m.Leg == leg && m.Values.ContainsKey("mAP@50"));
        void Part(string title, string[] measures, (string Name, Measurement? Measured)[] rows)
        {
            if (rows.All(r => r.Measured is null))
            {
                return;
            }

            var table = new MarkdownTable(["", "queries", .. measures]);
            foreach (var (name, measured) in rows.Where(r => r.Measured is not null))
            {
                table.Add([name, measured!.Queries, .. measures.Select(m => (object)measured.Values[m])]);
            }

            text.Append(CultureInfo.InvariantCulture, $"\n{title}\n\n{table}");
        }

        Part("By the kind of query, as the UIT report on content-based image retrieval has it:", ["mAP@5", "mAP@10", "mAP@20", "mAP@50"],
        [
            ("text", Find("label to pictures", FusionGate.Fused)), ("picture", Find("picture to pictures", "picture alone")),
            ("picture and text, vectors added", Find("picture to pictures", "picture and label, summed")), ("picture and text, merged into a sentence", Find("picture to pictures", "picture and label, template")),
        ]);
        const string variants = "label to pictures, variants";
        Part("Words against vectors, and crops against the whole picture, as Nakata et al. (Kioxia) have it:", ["PR-AUC", "mAP@5", "mAP@10", "mAP@20", "mAP@50"],
        [
            .. new[] { "words, whole picture only", "words, crops only", "words, whole picture and crops" }.Select(leg => (leg, Find(variants, leg))),
            ("vectors", Find("label to pictures", FusionGate.Dense)), ("words and vectors", Find("label to pictures", FusionGate.Fused)),
        ]);
    }

    private static void Weights(StringBuilder text, FusionWeightFit? fit)
    {
        if (fit is null)
        {
            return;
        }

        text.Append("\n## Weight of resemblance\n\nThe fused score is w d + (1 - w) l. Every second query chose w, by the mean over the questions of nDCG@10 against the better leg's; the other half judges it.\n\n");
        var tried = new MarkdownTable(["w", .. fit.Tasks.Select(t => $"{t}: nDCG@10"), "mean share of the better leg"]);
        foreach (var t in fit.Tried)
        {
            tried.Add([t.Weight, .. t.Ndcg.Cast<object>(), t.Share]);
        }

        var judged = new MarkdownTable("other half: nDCG@10", "queries", "resemblance alone", "words alone", string.Create(CultureInfo.InvariantCulture, $"fused, w = {fit.Weight:0.00}"));
        foreach (var j in fit.HeldOut)
        {
            judged.Add(j.Task, j.Queries, j.Dense, j.Lexical, j.Fused);
        }

        text.Append(tried).Append('\n').Append(judged);
    }

    private static string Introduction(EvaluationResult result) => $"""
        # Retrieval, measured

        Written by `./imagesearch eval`; do not edit by hand. {result.Origin.ToMarkdown()}

        {(result.Quick ? "Quick run: samples of the captions, pictures and distortions (the same ones each time) were asked; the column \"queries\" says how many." : "Full run: every caption, label and picture was asked; distortions on a sample.")}
        All figures are means over the queries, in percent. A share near 50 % is known to about 4 points either way from 600
        queries, and to about 18 points from 30 (95 %).

        How it is done: the pictures go into the object store under `eval/SET/` with numbers for names, so that no file name or folder gives an
        answer away, and without captions; they take the way of any picture through codec, embedder and captioner. The queries go to the query service's API,
        with the set's prefix as filter, so that each set is ranked by itself. Captions are asked as plain words (characters that the search reads as operators are
        left out). Answers are read 200 deep for labels and pictures, 50 deep for captions; what stands deeper counts as not found. "dense" is the embedding,
        "lexical" is BM25 over the texts that the system's own captioner wrote, "fused" both.

        A set whose name ends in "-described" is the same pictures as somebody would upload them who writes a sentence about each: the first caption is the upload's
        description, which the word search knows, and the other captions ask.

        - **R@k**: share of queries with a right answer among the first k. From a picture to its captions any of its captions is right; this ranking is made from the
          stored vectors and the same model's text encoder, as the system stores no captions to search among.
        - **mAP@k**: precision at each right answer among the first k, summed and divided by min(k, number of right answers).
        - **nDCG@10**: gain 1 for a right answer, discounted by log2(rank + 1), over the best possible. **MRR**: 1 / rank of the first right answer.
        - **PR-AUC**: area under precision over recall of each query, joined by straight lines, as scikit-learn computes it.

        "Variants" are computed here from what the system stored of the set: BM25 over the texts of whole pictures, crops or both in an index of this set alone, and exact ranking by vectors in single
        precision (made anew from the bitstreams), in half precision as stored, and of one bit a dimension, with and without ranking the {VectorVariants.Candidates} best again. At most 1,000 captions are asked.

        The picture itself counts neither way where pictures ask for their like. A distorted copy asks for its original.

        """.ReplaceLineEndings("\n");
}
