using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ImageSearch.Cli.Operating;

/// <summary>Calls of the operator's HTTP API; problem details become one line for people.</summary>
internal sealed class OperatorClient : IDisposable
{
    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly HttpClient http;

    public OperatorClient()
    {
        http = ServiceClient.Open("operator");
        http.DefaultRequestHeaders.Add("X-Actor", Environment.UserName);
    }

    /// <exception cref="CliException">The operator refused; the message is its reason.</exception>
    public async Task<T> GetAsync<T>(string path, CancellationToken ct)
    {
        using var response = await CheckedAsync(await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, ct), ct);
        return (await response.Content.ReadFromJsonAsync<T>(ct))!;
    }

    public async Task<Stream> StreamAsync(string path, CancellationToken ct) =>
        await (await CheckedAsync(await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, ct), ct)).Content.ReadAsStreamAsync(ct);

    public async Task<JsonNode?> SendAsync(HttpMethod method, string path, object? body, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var response = await CheckedAsync(await http.SendAsync(request, ct), ct);
        var text = await response.Content.ReadAsStringAsync(ct);
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    public Task<JsonNode?> PostAsync(string path, object? body, CancellationToken ct) => SendAsync(HttpMethod.Post, path, body, ct);

    public static void WriteJson<T>(T value) => Console.WriteLine(JsonSerializer.Serialize(value, Indented));

    /// <summary>A query string of those values that are given.</summary>
    public static string Query(params (string Name, object? Value)[] values)
    {
        var given = values.Where(v => v.Value is not null and not "").Select(v => $"{v.Name}={Uri.EscapeDataString(Convert.ToString(v.Value, CultureInfo.InvariantCulture)!)}").ToArray();
        return given.Length == 0 ? "" : "?" + string.Join('&', given);
    }

    public static Table Table(params string[] columns)
    {
        if (Console.IsOutputRedirected)
        {
            // Files and pipes have no width to keep to.
            AnsiConsole.Profile.Width = 250;
        }

        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(column) { NoWrap = table.Columns.Count == 0 });
        }

        return table;
    }

    /// <summary>Text as it is, shortened to a width.</summary>
    public static string Cell(object? value, int width = 60)
    {
        var text = (Convert.ToString(value, CultureInfo.InvariantCulture) ?? "").ReplaceLineEndings(" ");
        return Markup.Escape(text.Length > width ? text[..(width - 1)] + "…" : text);
    }

    public void Dispose() => http.Dispose();

    private static async Task<HttpResponseMessage> CheckedAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            var body = await response.Content.ReadAsStringAsync(ct);
            string? reason = null;
            try
            {
                var problem = JsonNode.Parse(body);
                reason = problem?["detail"]?.ToString() ?? problem?["title"]?.ToString();
            }
            catch (JsonException)
            {
                // Not the operator's own answer.
            }

            throw new CliException(reason ?? $"The operator answered {(int)response.StatusCode} {response.ReasonPhrase}.");
        }
    }
}
