using Microsoft.ML.OnnxRuntime;

namespace ImageSearch.Compression;

/// <summary>Open sessions by key, least recently used closed first, never while someone runs one.</summary>
internal sealed class SessionCache(int capacity, Func<int, InferenceSession> open) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];

    public Lease Take(int key)
    {
        Entry entry;
        lock (_lock)
        {
            var found = _entries.FindIndex(e => e.Key == key);
            entry = found >= 0 ? _entries[found] : new Entry(key, new Lazy<InferenceSession>(() => open(key)));
            if (found >= 0)
            {
                _entries.RemoveAt(found);
            }

            _entries.Insert(0, entry);
            entry.Users++;
            for (var i = _entries.Count - 1; i > 0 && _entries.Count > capacity; i--)
            {
                if (_entries[i].Users == 0)
                {
                    Close(_entries[i]);
                    _entries.RemoveAt(i);
                }
            }
        }

        try
        {
            return new Lease(this, entry, entry.Session.Value);
        }
        catch
        {
            lock (_lock)
            {
                entry.Users--;
                _entries.Remove(entry);
            }

            throw;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _entries.ForEach(Close);
            _entries.Clear();
        }
    }

    private static void Close(Entry entry)
    {
        if (entry.Session.IsValueCreated)
        {
            entry.Session.Value.Dispose();
        }
    }

    internal sealed class Entry(int key, Lazy<InferenceSession> session)
    {
        public int Key { get; } = key;

        public Lazy<InferenceSession> Session { get; } = session;

        public int Users { get; set; }
    }

    /// <summary>Keeps a session open until disposed.</summary>
    internal readonly struct Lease(SessionCache cache, Entry entry, InferenceSession session) : IDisposable
    {
        public InferenceSession Session { get; } = session;

        public void Dispose()
        {
            lock (cache._lock)
            {
                entry.Users--;
            }
        }
    }
}
