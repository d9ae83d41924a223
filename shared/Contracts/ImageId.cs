using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ImageSearch.Contracts;

/// <summary>An image's identity: the SHA-256 of its original bytes (FIPS 180-4), written as 64 lower-case hexadecimal digits.</summary>
[JsonConverter(typeof(ImageIdJsonConverter))]
public readonly record struct ImageId
{
    private readonly string? hex;

    private ImageId(string hex) => this.hex = hex;

    /// <summary>The 64 hexadecimal digits.</summary>
    public string Hex => hex ?? throw new InvalidOperationException("An ImageId was used that never got a value.");

    public static ImageId Of(ReadOnlySpan<byte> content) => new(Convert.ToHexStringLower(SHA256.HashData(content)));

    public static ImageId FromBytes(ReadOnlySpan<byte> sha256) => sha256.Length == 32
        ? new(Convert.ToHexStringLower(sha256))
        : throw new ArgumentException($"A SHA-256 has 32 bytes, not {sha256.Length}.", nameof(sha256));

    public static bool TryParse(string? text, out ImageId id)
    {
        var ok = text is { Length: 64 } && text.All(char.IsAsciiHexDigit);
        id = ok ? new(text!.ToLowerInvariant()) : default;
        return ok;
    }

    public static ImageId Parse(string text) => TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is no image id: 64 hexadecimal digits are needed.");

    public byte[] ToBytes() => Convert.FromHexString(Hex);

    public override string ToString() => Hex;
}

internal sealed class ImageIdJsonConverter : JsonConverter<ImageId>
{
    public override ImageId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && ImageId.TryParse(reader.GetString(), out var id)
            ? id : throw new JsonException("An image id has 64 hexadecimal digits.");

    public override void Write(Utf8JsonWriter writer, ImageId value, JsonSerializerOptions options) => writer.WriteStringValue(value.Hex);
}
