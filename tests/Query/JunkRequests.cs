using System.Net.Http.Headers;
using System.Text;

namespace ImageSearch.Query.Tests;

/// <summary>Requests as an attacker or a broken client makes them: mutated sizes, types and encodings, SQL in every field, huge numbers, broken forms. benchmarks/Query sends them too.</summary>
/// <param name="pictures">Ids of pictures that are there.</param>
internal sealed class JunkRequests(int seed, string[] pictures)
{
    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1", "200", "201", "1e999", "-1e999", "NaN", "99999999999999999999999", "0.5", "\"\"", "\" \"", "[]", "{}", "[[[[[[[[[[1]]]]]]]]]]",
        "\"'; DROP TABLE images; --\"", "\"\\\" OR 1=1\"", "\"%00\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\U0001F600 \u202e\"", "\"$1 $2 {0} %s\"", "\"\\\\\"", "\"a\\\\\"",
        "\"+ - \\\"\\\" tag: * +* -* tag:* \\\"\"", "\"-dog\"", "\"+the\"", "\"the of\"", "\"do*\"", "\"'*\"", "\"+'* -\\\"' '\\\"\"", "\"\\\\'*\"", "\"2026-01-01\"", "\"9999-12-31T23:59:59Z\"", "\"0001-01-01\"", "\"landscape\"", "\"rrf\"", "\"convex\"", "\"dense\"",
        "\"lexical\"", "\"hybrid\"", "\"template\"", "[\"jpeg\"]", "[\"'\", \"\\\\\"]", "[1]", "\"0000000000000000000000000000000000000000000000000000000000000000\"", "\"../../../etc/passwd\"", "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    ];

    private static readonly string[] Fields =
    [
        "text", "image", "negativeText", "weights", "compose", "mode", "fusion", "filter", "k", "cursor", "explain", "groupDuplicates", "exact", "__proto__", "Text", "",
        "weights\": {\"text", "weights\": {\"image", "fusion\": {\"method", "fusion\": {\"rrfK", "fusion\": {\"denseWeight", "filter\": {\"minWidth", "filter\": {\"tags", "filter\": {\"keyPrefix",
        "filter\": {\"formats", "filter\": {\"takenFrom", "filter\": {\"uploadedTo", "filter\": {\"orientation",
    ];

    private readonly Random random = new(seed);

    public HttpRequestMessage Next() => random.Next(10) switch
    {
        < 5 => Json(random),
        < 7 => Form(random),
        _ => Get(random, pictures),
    };

    private static HttpRequestMessage Json(Random random)
    {
        var bytes = Encoding.UTF8.GetBytes(Query(random));
        var content = new ByteArrayContent(Mutate(random, bytes));
        content.Headers.ContentType = random.Next(20) == 0 ? null : new MediaTypeHeaderValue(random.Next(20) == 0 ? "text/plain" : "application/json", random.Next(15) == 0 ? "utf-16" : "utf-8");
        return new(HttpMethod.Post, "/api/search") { Content = content };
    }

    private static HttpRequestMessage Form(Random random)
    {
        var form = new MultipartFormDataContent("x" + random.Next(1000)) { { new StringContent(Query(random)), random.Next(10) == 0 ? "other" : "query" } };
        var picture = new byte[random.Next(4000)];
        random.NextBytes(picture);
        byte[][] heads = [[0xff, 0xd8, 0xff, 0xe0], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], "GIF89a"u8.ToArray(), "RIFF\0\0\0\0WEBPVP8 "u8.ToArray(), "<svg"u8.ToArray(), []];
        heads[random.Next(heads.Length)].CopyTo(picture.Length > 20 ? picture : picture = new byte[32], 0);
        form.Add(new ByteArrayContent(picture), random.Next(10) == 0 ? "images" : "image", random.Next(3) == 0 ? "..%2f..%00.jpg" : "a.jpg");
        var bytes = form.ReadAsByteArrayAsync().GetAwaiter().GetResult();
        var content = new ByteArrayContent(random.Next(3) == 0 ? Mutate(random, bytes) : bytes);
        content.Headers.ContentType = form.Headers.ContentType;
        return new(HttpMethod.Post, "/api/search") { Content = content };
    }

    private static HttpRequestMessage Get(Random random, string[] pictures)
    {
        string Junk() => Uri.EscapeDataString(Values[random.Next(Values.Length)].Trim('"').Replace("\\u0000", "\0", StringComparison.Ordinal).Replace("\\\"", "\"", StringComparison.Ordinal));
        var id = random.Next(3) == 0 ? Junk() : pictures[random.Next(pictures.Length)];
        var parameter = new[] { "q", "k", "width", "format", "image", "before", "mode", "tag", "minWidth", "keyPrefix", "prefix", "limit", "cursor", "takenFrom", "explain" }[random.Next(15)];
        var path = random.Next(8) switch
        {
            0 => $"/api/images/{id}",
            1 => $"/api/images/{id}/content?width={Junk()}",
            2 => $"/api/images/{id}/heatmap?q={Junk()}",
            3 => $"/api/images/{id}/similar?{parameter}={Junk()}",
            4 => $"/api/tags?{parameter}={Junk()}",
            5 => $"/api/images?{parameter}={Junk()}",
            _ => $"/api/search?q={Junk()}&{parameter}={Junk()}",
        };
        return new(HttpMethod.Get, path);
    }

    private static string Query(Random random)
    {
        var fields = Enumerable.Range(0, random.Next(1, 4)).Select(_ =>
        {
            var field = Fields[random.Next(Fields.Length)];
            return $"\"{field}\": {Values[random.Next(Values.Length)]}{(field.Contains('{', StringComparison.Ordinal) ? "}" : "")}";
        });
        return $"{{ {(random.Next(3) > 0 ? "\"text\": \"dog beach\", " : "")}{string.Join(", ", fields)} }}";
    }

    private static byte[] Mutate(Random random, byte[] bytes)
    {
        if (bytes.Length == 0 || random.Next(4) > 0)
        {
            return bytes;
        }

        for (var i = random.Next(1, 6); i > 0; i--)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        return random.Next(3) switch
        {
            0 => bytes[..random.Next(bytes.Length)],
            1 => [.. bytes, .. bytes],
            _ => bytes,
        };
    }
}
