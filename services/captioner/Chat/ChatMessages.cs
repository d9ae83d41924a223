using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ImageSearch.Captioner.Chat;

/// <param name="Image">A JPEG file that goes with the text, or null.</param>
public sealed record ChatMessage(string Role, string Text, byte[]? Image = null);

/// <param name="Text">What the model wrote; may be empty.</param>
/// <param name="Cut">The model was stopped by the limit of its answer.</param>
public sealed record ChatReply(string Text, bool Cut, int PromptTokens, int CompletionTokens);

/// <summary>What a server was found to accept. Servers and models differ; each difference is learnt from one refusal.</summary>
/// <param name="JsonMode"><c>schema</c>, <c>object</c> or <c>none</c>.</param>
/// <param name="CompletionLimit">The limit is called max_completion_tokens, not max_tokens.</param>
/// <param name="Temperature">The temperature may be set.</param>
public sealed record ChatDialect(string JsonMode, bool CompletionLimit = false, bool Temperature = true)
{
    /// <summary>The dialect to try after a refusal with this text; null if nothing is left to try.</summary>
    public ChatDialect? After(string refusal)
    {
        if (!CompletionLimit && refusal.Contains("max_tokens", StringComparison.OrdinalIgnoreCase))
        {
            return this with { CompletionLimit = true };
        }

        if (Temperature && refusal.Contains("temperature", StringComparison.OrdinalIgnoreCase))
        {
            return this with { Temperature = false };
        }

        // Some servers name the field, some say "grammar", some nothing of use: the JSON mode is the usual reason.
        return JsonMode switch
        {
            "schema" => this with { JsonMode = "object" },
            "object" => this with { JsonMode = "none" },
            _ => null,
        };
    }
}

/// <summary>Requests and replies of the chat completions API (OpenAI API reference, "Create chat completion").</summary>
public static class ChatMessages
{
    private static readonly string Schema = """
        {"type": "object", "additionalProperties": false, "required": ["tags", "caption"],
         "properties": {"tags": {"type": "array", "items": {"type": "string"}}, "caption": {"type": "string"}}}
        """;

    public static byte[] Write(string model, IEnumerable<ChatMessage> messages, int maxTokens, ChatDialect dialect)
    {
        var request = new JsonObject
        {
            ["model"] = model,
            ["messages"] = new JsonArray([.. messages.Select(Write)]),
            [dialect.CompletionLimit ? "max_completion_tokens" : "max_tokens"] = maxTokens,
        };
        if (dialect.Temperature)
        {
            // The same picture shall get the same words.
            request["temperature"] = 0;
        }

        if (dialect.JsonMode == "schema")
        {
            request["response_format"] = new JsonObject
            {
                ["type"] = "json_schema",
                ["json_schema"] = new JsonObject { ["name"] = "caption", ["strict"] = true, ["schema"] = JsonNode.Parse(Schema) },
            };
        }
        else if (dialect.JsonMode == "object")
        {
            request["response_format"] = new JsonObject { ["type"] = "json_object" };
        }

        return JsonSerializer.SerializeToUtf8Bytes(request);
    }

    /// <returns>Null if it is not a reply of this API.</returns>
    public static (ChatReply? Reply, string? Refusal) Read(ReadOnlySpan<byte> body)
    {
        try
        {
            var root = JsonNode.Parse(CaptionJson.WithoutHalfPairs(Encoding.UTF8.GetString(body)));
            if (root?["choices"] is not JsonArray { Count: > 0 } choices || choices[0]?["message"] is not JsonObject message)
            {
                return default;
            }

            if (message["refusal"]?.GetValue<string>() is { Length: > 0 } refusal)
            {
                return (null, refusal);
            }

            // Content is a string, or a list of parts with type and text.
            var text = message["content"] switch
            {
                JsonValue value => value.GetValue<string>(),
                JsonArray parts => string.Concat(parts.Select(p => p?["text"]?.GetValue<string>())),
                _ => "",
            };
            return (new(text, choices[0]?["finish_reason"]?.GetValue<string>() == "length", Count(root, "prompt_tokens"), Count(root, "completion_tokens")), null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            return default;
        }
    }

    private static int Count(JsonNode root, string name) => root["usage"]?[name] is JsonValue value && value.TryGetValue<int>(out var n) ? Math.Max(0, n) : 0;

    private static JsonObject Write(ChatMessage message) => new()
    {
        ["role"] = message.Role,
        ["content"] = message.Image is null
            ? message.Text
            : new JsonArray(
                new JsonObject { ["type"] = "text", ["text"] = message.Text },
                new JsonObject { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = $"data:image/jpeg;base64,{Convert.ToBase64String(message.Image)}" } }),
    };
}
