using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;

namespace ImageSearch.Operator.Pictures;

/// <param name="State">done, failed, paused, waiting, rejected, unknown.</param>
/// <param name="Why">For people, where the stage is not done.</param>
/// <param name="Seconds">Time from the stage before it to its end.</param>
public sealed record WayStep(string Stage, string State, DateTimeOffset? At, double? Seconds, string? Why);

/// <summary>Where a picture is on its way, and why it is not further.</summary>
public static class PictureWay
{
    /// <param name="picture">Null if the catalogue does not know it.</param>
    /// <param name="events">Oldest first.</param>
    /// <param name="failures">Of this picture, latest first.</param>
    /// <param name="pausedQueues">Queues that a person has paused.</param>
    public static IReadOnlyList<WayStep> Of(PictureState? picture, IReadOnlyList<StageEvent> events, IReadOnlyList<FailureSummary> failures, IReadOnlySet<string> pausedQueues, DateTimeOffset now)
    {
        WayStep Missing(string stage, string queue, DateTimeOffset? since, string waitsFor)
        {
            var failure = failures.FirstOrDefault(f => f.Endpoint == queue && f.State is "failed" or "retrying");
            return failure is not null
                ? new(stage, "failed", failure.LastFailedAt, null, $"{failure.ExceptionType}: {failure.ExceptionMessage} (failure {failure.Id}, {failure.Attempts} times{(failure.State == "retrying" ? ", a retry is out" : failure.NextRetryAt is { } at ? $", next automatic retry {at:u}" : "")})")
                : pausedQueues.Contains(queue) ? new(stage, "paused", null, null, $"{queue} is paused")
                : new(stage, "waiting", null, null, since is { } s ? $"{waitsFor} for {Span(now - s)}" : waitsFor);
        }

        if (picture is null)
        {
            var rejected = events.LastOrDefault(e => e.Stage == "rejected");
            var removed = events.LastOrDefault(e => e.Stage == "removed");
            return rejected is not null ? [new("ingest", "rejected", rejected.At, null, rejected.Detail)]
                : removed is not null ? [new("ingest", "removed", removed.At, null, "its last key was deleted")]
                : [Missing("ingest", Queues.IngestS3Events, null, "not registered: ingest has not heard of it, or no such object exists; an audit finds unknown objects")];
        }

        List<WayStep> way = [new("ingest", "done", picture.CreatedAt, null, null)];
        way.Add(picture.Bitstream is { } b
            ? new("encode", "done", b.CreatedAt, (b.CreatedAt - picture.CreatedAt).TotalSeconds, null)
            : Missing("encode", Queues.Codec, picture.CreatedAt, "waits for codec"));
        var vector = picture.Vectors.FirstOrDefault(v => v.ModelState == "active") ?? picture.Vectors.FirstOrDefault();
        way.Add(vector is { Present: true }
            ? new("embed", "done", vector.CreatedAt, (vector.CreatedAt - (picture.Bitstream?.CreatedAt ?? picture.CreatedAt))?.TotalSeconds, null)
            : picture.Bitstream is null ? new("embed", "waiting", null, null, "waits for the bitstream")
            : Missing("embed", Queues.Embedder, picture.Bitstream.CreatedAt, "waits for embedder"));
        way.Add(picture.Texts is { } t
            ? new("caption", "done", t.CreatedAt, (t.CreatedAt - picture.CreatedAt).TotalSeconds, null)
            : Missing("caption", Queues.Captioner, picture.CreatedAt, "waits for captioner"));
        return way;
    }

    private static string Span(TimeSpan span) => span.TotalMinutes < 2 ? $"{span.TotalSeconds:0} s" : span.TotalHours < 2 ? $"{span.TotalMinutes:0} min" : $"{span.TotalHours:0} h";
}
