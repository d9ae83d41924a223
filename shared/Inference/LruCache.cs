namespace ImageSearch.Inference;

/// <summary>Keeps the last <paramref name="capacity"/> values by use. Thread-safe.</summary>
public sealed class LruCache<TKey, TValue>(int capacity) where TKey : notnull
{
    private readonly Lock gate = new();
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> nodes = [];
    private readonly LinkedList<(TKey Key, TValue Value)> order = [];

    public bool TryGet(TKey key, out TValue value)
    {
        lock (gate)
        {
            if (nodes.TryGetValue(key, out var node))
            {
                order.Remove(node);
                order.AddFirst(node);
                value = node.Value.Value;
                return true;
            }
        }

        value = default!;
        return false;
    }

    public void Add(TKey key, TValue value)
    {
        lock (gate)
        {
            if (nodes.Remove(key, out var old))
            {
                order.Remove(old);
            }

            nodes[key] = order.AddFirst((key, value));
            if (nodes.Count > capacity)
            {
                nodes.Remove(order.Last!.Value.Key);
                order.RemoveLast();
            }
        }
    }
}
