using System.Diagnostics;
using System.Net;
using ImageSearch.Query.Tests;
using Npgsql;

namespace ImageSearch.Benchmarks.Query;

/// <summary>Junk requests to a service of its own: none may be answered with 5xx, and memory and handles must stand still.</summary>
internal static class Junk
{
    private const int WarmUp = 2_000;

    public static async Task RunAsync(string models, int size, int count, bool keep)
    {
        var server = Latency.Server();
        await using var control = NpgsqlDataSource.Create(server);
        var connection = await CaptionedCollection.OpenAsync(control, server, models, size);
        await using (var service = await ServiceProcess.StartAsync(Latency.Settings(connection, models)))
        {
            var pictures = (await service.Http.GetStringAsync("/api/images?k=3")).Split("\"id\":\"").Skip(1).Select(s => s[..64]).ToArray();
            var junk = new JunkRequests(20261125, pictures);
            await SendAsync(service, junk, WarmUp);
            var (memory, handles, watch) = (service.Memory().Now, service.Handles(), Stopwatch.StartNew());
            Console.WriteLine($"| requests | 2xx | 4xx | 5xx | memory MB | handles |\n|---|---|---|---|---|---|\n| {WarmUp} (warm-up) | | | | {memory:0} | {handles} |");
            for (var done = 0; done < count;)
            {
                var part = Math.Min(count - done, Math.Max(1, count / 5));
                var statuses = await SendAsync(service, junk, part);
                done += part;
                int Share(int hundred) => statuses.Where(s => (int)s.Key / 100 == hundred).Sum(s => s.Value);
                Console.WriteLine($"| {done} | {Share(2)} | {Share(4)} | {Share(5)} | {service.Memory().Now:0} | {service.Handles()} |");
            }

            using var after = await service.Http.GetAsync("/api/search?q=dog");
            Console.WriteLine($"\nA search afterwards: {(int)after.StatusCode}. {count / watch.Elapsed.TotalSeconds:0} requests a second.");
        }

        if (!keep)
        {
            await CaptionedCollection.DropAsync(control, size);
        }
    }

    private static async Task<Dictionary<HttpStatusCode, int>> SendAsync(ServiceProcess service, JunkRequests junk, int count)
    {
        Dictionary<HttpStatusCode, int> statuses = [];
        for (var i = 0; i < count; i++)
        {
            using var request = junk.Next();
            using var response = await service.Http.SendAsync(request);
            await response.Content.ReadAsByteArrayAsync();
            statuses[response.StatusCode] = statuses.GetValueOrDefault(response.StatusCode) + 1;
            if ((int)response.StatusCode >= 500)
            {
                Console.WriteLine($"{(int)response.StatusCode}: {request.Method} {request.RequestUri}");
            }
        }

        return statuses;
    }
}
