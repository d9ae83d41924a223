using System.Net.Http.Headers;

namespace ImageSearch.Cli;

/// <summary>HTTP to the services, with the API key from <c>IMAGESEARCH_API_KEY</c> where there is one.</summary>
internal static class ServiceClient
{
    public static HttpClient Open(string service)
    {
        var http = new HttpClient { BaseAddress = CliSettings.Service(service), Timeout = TimeSpan.FromMinutes(2) };
        if (Environment.GetEnvironmentVariable("IMAGESEARCH_API_KEY") is { Length: > 0 } key)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key.Trim());
        }

        return http;
    }
}
