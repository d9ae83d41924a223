namespace ImageSearch.Query.Status;

/// <summary>A value that is asked for once and then kept for a while; a failed question is not kept.</summary>
public sealed class Moment<T>(TimeProvider time, TimeSpan lifetime)
    where T : class
{
    private readonly SemaphoreSlim gate = new(1, 1);
    private T? value;
    private long at;

    public async Task<T> GetAsync(Func<CancellationToken, Task<T>> ask, CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            if (value is null || time.GetElapsedTime(at) >= lifetime)
            {
                value = await ask(ct);
                at = time.GetTimestamp();
            }

            return value;
        }
        finally
        {
            gate.Release();
        }
    }
}
