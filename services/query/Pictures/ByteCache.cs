namespace ImageSearch.Query.Pictures;

/// <summary>Bytes by key, the least recently used dropped first when the sum is too large.</summary>
public sealed class ByteCache(long capacity)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, byte[] Bytes)>> entries = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, byte[] Bytes)> order = new();

    public long Length { get; private set; }

    public byte[]? Find(string key)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(key, out var node))
            {
                return null;
            }

            order.Remove(node);
            order.AddFirst(node);
            return node.Value.Bytes;
        }
    }

    public void Add(string key, byte[] bytes)
    {
        lock (gate)
        {
            if (bytes.Length > capacity / 4 || entries.ContainsKey(key))
            {
                return;
            }

            entries.Add(key, order.AddFirst((key, bytes)));
            for (Length += bytes.Length; Length > capacity; Length -= order.Last!.Value.Bytes.Length, order.RemoveLast())
            {
                entries.Remove(order.Last!.Value.Key);
            }
        }
    }
}
