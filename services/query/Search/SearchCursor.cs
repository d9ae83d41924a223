using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ImageSearch.Query.Search;

/// <summary>
/// Where a search goes on: which search it was, the newest picture it may show, and how far it has come. Pictures that arrive meanwhile
/// have higher surrogate keys and stay out, so pages neither overlap nor leave gaps.
/// </summary>
public readonly record struct SearchCursor(ulong Query, long Bound, int Offset)
{
    private const byte Version = 1;

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[21];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[1..], Query);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[9..], Bound);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[17..], Offset);
        return Base64Url.EncodeToString(bytes);
    }

    public static bool TryParse(string text, out SearchCursor cursor)
    {
        Span<byte> bytes = stackalloc byte[24];
        cursor = default;
        if (text.Length != 28 || !Base64Url.IsValid(text) || !Base64Url.TryDecodeFromChars(text, bytes, out var length) || length != 21 || bytes[0] != Version)
        {
            return false;
        }

        cursor = new(BinaryPrimitives.ReadUInt64LittleEndian(bytes[1..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[9..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[17..]));
        return cursor is { Bound: >= 0, Offset: >= 0 };
    }

    /// <summary>Equal for two requests that have the same ranking; page size, cursor and explanation do not change it.</summary>
    public static ulong HashOf(SearchRequest request)
    {
        var ranking = JsonSerializer.Serialize(request with { K = null, Cursor = null, Explain = false });
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{request.UploadHash}\n{ranking}")));
    }
}
