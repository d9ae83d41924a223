namespace ImageSearch.Query.Search;

/// <summary>A search's whole list as it was when its first page was shown.</summary>
/// <param name="Deep">The list reaches down to <see cref="SearchOptions.DeepDepth"/>; there is nothing more to fetch.</param>
public sealed record Ranking(IReadOnlyList<FusedHit> Hits, bool Deep, LegReport Dense, LegReport Lexical, string? Model, MergedText? Merged)
{
    public bool Partial => Dense.State is "late" or "failed" || Lexical.State is "late" or "failed";
}

/// <summary>Rankings of recent searches, so that further pages come from the same list. Another replica makes the list anew, under the same bound.</summary>
public sealed class RankingCache(TimeProvider time)
{
    private const int Limit = 200;
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private readonly Dictionary<(ulong Query, long Bound), (Ranking Ranking, long At)> rankings = [];

    public Ranking? Find(ulong query, long bound)
    {
        lock (gate)
        {
            return rankings.TryGetValue((query, bound), out var found) && time.GetElapsedTime(found.At) < Lifetime ? found.Ranking : null;
        }
    }

    public void Keep(ulong query, long bound, Ranking ranking)
    {
        lock (gate)
        {
            if (rankings.Count >= Limit)
            {
                foreach (var key in rankings.OrderBy(r => r.Value.At).Take(Limit / 4).Select(r => r.Key).ToList())
                {
                    rankings.Remove(key);
                }
            }

            rankings[(query, bound)] = (ranking, time.GetTimestamp());
        }
    }

    internal void Clear()
    {
        lock (gate)
        {
            rankings.Clear();
        }
    }
}
