using System.Numerics.Tensors;

namespace ImageSearch.Query.Search;

/// <summary>Puts near-duplicates behind the first of their kind in a ranked list.</summary>
public static class NearDuplicates
{
    /// <param name="vectors">Unit vectors of the hits; a hit without one stays alone.</param>
    public static List<FusedHit> Group(IReadOnlyList<FusedHit> hits, IReadOnlyDictionary<long, float[]> vectors, double cosine)
    {
        List<(FusedHit Hit, List<long> Behind)> leaders = [];
        foreach (var hit in hits)
        {
            var vector = vectors.GetValueOrDefault(hit.Image);
            var leader = vector is null ? default : leaders.FirstOrDefault(l =>
                vectors.TryGetValue(l.Hit.Image, out var other) && TensorPrimitives.Dot<float>(vector, other) >= cosine);
            if (leader.Hit is null)
            {
                leaders.Add((hit, []));
            }
            else
            {
                leader.Behind.Add(hit.Image);
            }
        }

        return [.. leaders.Select(l => l.Behind.Count == 0 ? l.Hit : l.Hit with { Duplicates = l.Behind })];
    }
}
