using System.Text.Json;
using System.Text.Json.Serialization;
using ImageSearch.Evaluation.Report;

namespace ImageSearch.Evaluation;

/// <summary>Figures of one kind of query under one way of answering it.</summary>
/// <param name="Task">For instance <c>caption to picture</c>.</param>
/// <param name="Leg">For instance <c>dense</c>.</param>
/// <param name="Values">By the measure's name, in percent.</param>
/// <param name="Curve">Precision in percent at <see cref="PrecisionRecall.Levels"/>; null where it says nothing.</param>
public sealed record Measurement(string Task, string Leg, int Queries, IReadOnlyDictionary<string, double> Values, IReadOnlyList<double>? Curve = null);

/// <param name="Model">Embedding model that answered.</param>
/// <param name="PicturesPerSecond">From the first upload until the last was searchable; null if they were all there before.</param>
/// <param name="Remarks">What a reader must know to judge the figures.</param>
public sealed record SetResult(
    string Name, string Format, int Pictures, string? Model, double? PicturesPerSecond, double Seconds, IReadOnlyList<Measurement> Measurements, IReadOnlyList<string> Remarks);

/// <param name="Quick">Samples of the queries were asked, not all.</param>
/// <param name="Weight">How much resemblance should weigh against words, by these sets; null where no set has words and answers for it.</param>
public sealed record EvaluationResult(RunOrigin Origin, bool Quick, IReadOnlyList<SetResult> Sets, FusionWeightFit? Weight = null)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>From what <see cref="ToJson"/> gave.</summary>
    /// <exception cref="InvalidDataException">The file is not of this kind.</exception>
    public static EvaluationResult Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<EvaluationResult>(File.ReadAllText(file), Json) is { Sets: not null } result ? result : throw new InvalidDataException($"{file} holds no figures.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is not the figures of an evaluation: {e.Message}", e);
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, Json) + "\n";
}

/// <summary>Fusion must never cost much against its better leg.</summary>
public static class FusionGate
{
    public const double AllowedLossInPoints = 0.5;

    public const string Dense = "dense", Lexical = "lexical", Fused = "fused, convex";

    /// <summary>For each set and task with both legs, a line if the fused figure is too low. The main measure: R@10 for captions, mAP@10 for labels.</summary>
    public static IReadOnlyList<string> Faults(EvaluationResult result)
    {
        List<string> faults = [];
        foreach (var set in result.Sets)
        {
            foreach (var task in set.Measurements.GroupBy(m => m.Task))
            {
                if (Find(Fused) is not { } fused || Find(Dense) is not { } dense || Find(Lexical) is not { } lexical)
                {
                    continue;
                }

                var measure = fused.Values.ContainsKey("R@10") ? "R@10" : "mAP@10";
                var best = Math.Max(dense.Values[measure], lexical.Values[measure]);
                if (fused.Values[measure] < best - AllowedLossInPoints)
                {
                    faults.Add(FormattableString.Invariant($"{set.Name}, {task.Key}: {measure} fused {fused.Values[measure]:F2} is more than {AllowedLossInPoints} points below the better leg's {best:F2}."));
                }

                Measurement? Find(string leg) => task.FirstOrDefault(m => m.Leg == leg);
            }
        }

        return faults;
    }
}
