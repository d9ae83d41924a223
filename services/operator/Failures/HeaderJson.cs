using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Failures;

/// <summary>AMQP headers as JSON and back. Byte strings that are no UTF-8 become <c>{"$base64": "..."}</c>, times <c>{"$time": seconds}</c>.</summary>
internal static class HeaderJson
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static JsonObject ToJson(IEnumerable<KeyValuePair<string, object?>>? headers)
    {
        var json = new JsonObject();
        foreach (var (name, value) in headers ?? [])
        {
            json[Storable(name)] = ToNode(value);
        }

        return json;
    }

    public static Dictionary<string, object?> FromJson(JsonObject json) => json.ToDictionary(p => p.Key, p => FromNode(p.Value));

    /// <summary>Text of a header, whatever its type; null if it is not there.</summary>
    public static string? Text(JsonObject headers, string name) => headers[name] switch
    {
        null => null,
        JsonValue v when v.TryGetValue<string>(out var s) => s,
        JsonObject o when o.Count == 1 && o["$base64"] is JsonValue v => Storable(Encoding.UTF8.GetString(Convert.FromBase64String(v.GetValue<string>()))),
        var other => other.ToJsonString(),
    };

    /// <summary>PostgreSQL stores no U+0000 in text.</summary>
    public static string Storable(string text) => text.Contains('\0') ? text.Replace('\0', '\uFFFD') : text;

    private static JsonNode? ToNode(object? value) => value switch
    {
        null => null,
        byte[] bytes => FromBytes(bytes),
        string s => Storable(s),
        bool b => b,
        int or long or short or byte or sbyte or uint or ushort => Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture),
        double d when double.IsFinite(d) => d,
        float f when float.IsFinite(f) => f,
        decimal m => m,
        AmqpTimestamp t => new JsonObject { ["$time"] = t.UnixTime },
        IDictionary<string, object?> table => ToJson(table),
        IEnumerable<object?> list => new JsonArray([.. list.Select(ToNode)]),
        _ => Storable(value.ToString() ?? ""),
    };

    private static JsonNode FromBytes(byte[] bytes)
    {
        try
        {
            var text = Strict.GetString(bytes);
            return text.Contains('\0') ? new JsonObject { ["$base64"] = Convert.ToBase64String(bytes) } : text;
        }
        catch (DecoderFallbackException)
        {
            return new JsonObject { ["$base64"] = Convert.ToBase64String(bytes) };
        }
    }

    private static object? FromNode(JsonNode? node) => node switch
    {
        null => null,
        JsonObject o when o.Count == 1 && o["$base64"] is JsonValue v => Convert.FromBase64String(v.GetValue<string>()),
        JsonObject o when o.Count == 1 && o["$time"] is JsonValue v => new AmqpTimestamp(v.GetValue<long>()),
        JsonObject o => FromJson(o),
        JsonArray a => a.Select(FromNode).ToList(),
        _ => node.GetValueKind() switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Number => long.TryParse(node.ToJsonString(), out var l) ? l : node.GetValue<double>(),
            _ => node.GetValue<string>(),
        },
    };
}
