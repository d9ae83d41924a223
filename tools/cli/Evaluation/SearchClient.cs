using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ImageSearch.Evaluation;

namespace ImageSearch.Cli.Evaluation;

/// <summary>Asks the query service, as any client would, until every leg has answered.</summary>
public sealed class SearchClient : IDisposable
{
    // A leg that is late on a busy machine answers with less than it has; figures from such an answer would be wrong.
    private const int Attempts = 8;

    private readonly HttpClient http = new() { BaseAddress = CliSettings.Service("query"), Timeout = TimeSpan.FromMinutes(2) };

    private int repeated;

    public SearchClient()
    {
        if (CliSettings.Configuration["Security:ApiKey"] is { Length: > 0 } key)
        {
            http.DefaultRequestHeaders.Add("X-Api-Key", key);
        }
    }

    /// <summary>Answers that had to be asked for again, because a leg was late or the service was busy.</summary>
    public int Repeated => repeated;

    /// <summary>Model that gave the last answer.</summary>
    public string? Model { get; private set; }

    /// <summary>Hits, best first, with what each leg thinks of them.</summary>
    /// <param name="file">Picture of the query; null where the request is all there is.</param>
    public async Task<List<LegScores>> SearchAsync(JsonObject request, byte[]? file, CancellationToken ct)
    {
        var json = request.ToJsonString();
        for (var attempt = 1; ; attempt++)
        {
            using HttpContent content = file is null
                ? new StringContent(json, Encoding.UTF8, "application/json")
                : new MultipartFormDataContent
                {
                    { new StringContent(json, Encoding.UTF8, "application/json"), "query" },
                    { new ByteArrayContent(file) { Headers = { ContentType = new("application/octet-stream") } }, "image", "query" },
                };
            using var response = await http.PostAsync("/api/search", content, ct);
            var last = attempt == Attempts;
            if (response.IsSuccessStatusCode)
            {
                using var answer = (await response.Content.ReadFromJsonAsync<JsonDocument>(ct))!;
                if (!answer.RootElement.GetProperty("partial").GetBoolean())
                {
                    // Searches by words alone have no model.
                    Model = answer.RootElement.TryGetProperty("model", out var model) ? model.GetString() ?? Model : Model;
                    return [.. answer.RootElement.GetProperty("hits").EnumerateArray().Select(ScoresOf)];
                }

                if (last)
                {
                    throw new CliException($"The search kept answering with one leg only: {answer.RootElement.GetProperty("legs")}. The machine is too busy, or a part of the system is down: `./imagesearch status`.");
                }
            }
            else if (last || response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable))
            {
                throw new CliException($"The search answered {(int)response.StatusCode} to {json}: {await response.Content.ReadAsStringAsync(ct)}");
            }

            Interlocked.Increment(ref repeated);
            await Task.Delay(TimeSpan.FromMilliseconds(250 * attempt), ct);
        }
    }

    public void Dispose() => http.Dispose();

    private static LegScores ScoresOf(JsonElement hit)
    {
        double Of(string leg, string field) => hit.TryGetProperty(leg, out var part) && part.ValueKind == JsonValueKind.Object ? part.GetProperty(field).GetDouble() : 0;
        return new(hit.GetProperty("id").GetString()!, Of("dense", "probability"), Of("lexical", "probability"), Of("dense", "deviations"));
    }
}
