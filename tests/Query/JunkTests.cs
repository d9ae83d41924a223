using System.Net;

namespace ImageSearch.Query.Tests;

/// <summary>Requests as an attacker or a broken client sends them: whatever comes, the service says what is wrong and goes on.</summary>
public sealed class JunkTests(SeededHost host) : IClassFixture<SeededHost>
{
    private const int Requests = 3000;

    [Fact]
    public async Task No_request_makes_the_service_fail()
    {
        var pictures = (await host.Http.GetStringAsync("/api/images?k=3")).Split("\"id\":\"").Skip(1).Select(s => s[..64]).ToArray();
        var junk = new JunkRequests(20261125, pictures);
        List<string> failures = [];
        var statuses = new Dictionary<int, int>();
        for (var i = 0; i < Requests; i++)
        {
            using var request = junk.Next();
            var shown = $"{request.Method} {request.RequestUri} {(request.Content is null ? "" : Convert.ToBase64String((await request.Content.ReadAsByteArrayAsync()).Take(200).ToArray()))}";
            using var response = await host.Http.SendAsync(request);
            await response.Content.ReadAsByteArrayAsync();
            statuses[(int)response.StatusCode] = statuses.GetValueOrDefault((int)response.StatusCode) + 1;
            if ((int)response.StatusCode >= 500)
            {
                failures.Add($"{(int)response.StatusCode} {shown}");
            }
        }

        Assert.Empty(failures);

        // Junk that is refused at the door alone would test nothing behind it.
        Assert.True(statuses.GetValueOrDefault(200) > Requests / 20);
        using var after = await host.Http.GetAsync("/api/search?q=dog");
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }
}
