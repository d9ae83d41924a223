using ImageSearch.Hosting;

namespace ImageSearch.Operator.Audits;

/// <summary>A stretch of keys that both the store's listing and the catalogue have been read for in full.</summary>
/// <param name="Next">Last key of the stretch, to go on after; null at the end of both.</param>
internal sealed record MergedPage<T>(IReadOnlyList<StoredObject> OnlyStored, IReadOnlyList<T> OnlyKnown, IReadOnlyList<(StoredObject Stored, T Known)> Both, string? Next, int Count)
{
    /// <param name="stored">At most <paramref name="limit"/> objects after the cursor, in order.</param>
    /// <param name="known">At most <paramref name="limit"/> rows after the cursor, in order.</param>
    public static MergedPage<T> Of(IReadOnlyList<StoredObject> stored, IReadOnlyList<T> known, Func<T, string> keyOf, int limit)
    {
        var order = Utf8Order.Instance;
        string?[] ends = [stored.Count == limit ? stored[^1].Key : null, known.Count == limit ? keyOf(known[^1]) : null];
        var next = ends.Where(e => e is not null).Min(order);
        bool Within(string key) => next is null || order.Compare(key, next) <= 0;
        var objects = stored.Where(o => Within(o.Key)).ToDictionary(o => o.Key);
        var rows = known.Where(k => Within(keyOf(k))).ToList();
        var keys = rows.Select(keyOf).ToHashSet();
        return new(
            [.. objects.Values.Where(o => !keys.Contains(o.Key))],
            [.. rows.Where(r => !objects.ContainsKey(keyOf(r)))],
            [.. rows.Where(r => objects.ContainsKey(keyOf(r))).Select(r => (objects[keyOf(r)], r))],
            next, objects.Count + rows.Count);
    }
}
