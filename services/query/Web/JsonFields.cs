using System.Globalization;
using System.Text.Json;

namespace ImageSearch.Query.Web;

/// <summary>
/// Reads one JSON object field by field, so that every mistake is named, all of them at once. Fields nobody asks for are mistakes too:
/// a misspelt filter must not be a filter that silently does nothing.
/// </summary>
public sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> fields = new(StringComparer.Ordinal);
    private readonly string prefix;
    private readonly FieldErrors errors;

    public JsonFields(JsonElement element, string prefix, FieldErrors errors)
    {
        (this.prefix, this.errors) = (prefix, errors);
        if (element.ValueKind != JsonValueKind.Object)
        {
            errors.Add(prefix.TrimEnd('.'), "must be a JSON object.");
            return;
        }

        foreach (var property in element.EnumerateObject())
        {
            var name = Name(property);
            if (name is null || !fields.TryAdd(name, property.Value))
            {
                errors.Add(prefix + Printable(name ?? "?"), name is null ? "has a name that is not text." : "is given twice.");
            }
        }
    }

    /// <summary>Text without control characters; an empty one counts as not given.</summary>
    public string? Text(string name, int maxLength)
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        if (element.ValueKind != JsonValueKind.String || Value(element) is not { } text)
        {
            errors.Add(prefix + name, "must be text.");
            return null;
        }

        if (TextFault(text, maxLength) is { } fault)
        {
            errors.Add(prefix + name, fault);
            return null;
        }

        return text.Length == 0 ? null : text;
    }

    public double? Number(string name, double low, double high)
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        // 1e999 parses to infinity; a comparison with NaN is false, so both fall out here.
        if (element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var value) && value >= low && value <= high)
        {
            return value;
        }

        errors.Add(prefix + name, string.Create(CultureInfo.InvariantCulture, $"must be a number from {low} to {high}."));
        return null;
    }

    public int? Integer(string name, int low, int high)
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        if (element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var value) && value >= low && value <= high)
        {
            return value;
        }

        errors.Add(prefix + name, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from {low} to {high}."));
        return null;
    }

    public bool Flag(string name)
    {
        if (!Take(name, out var element))
        {
            return false;
        }

        if (element.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            errors.Add(prefix + name, "must be true or false.");
        }

        return element.ValueKind == JsonValueKind.True;
    }

    /// <param name="values">Names on the wire.</param>
    public T? Choice<T>(string name, params (string Name, T Value)[] values)
        where T : struct
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        var text = element.ValueKind == JsonValueKind.String ? Value(element) : null;
        foreach (var (wire, value) in values)
        {
            if (wire == text)
            {
                return value;
            }
        }

        errors.Add(prefix + name, $"must be one of: {string.Join(", ", values.Select(v => v.Name))}.");
        return null;
    }

    public DateTimeOffset? Time(string name)
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        if (element.ValueKind == JsonValueKind.String && Value(element) is { } text && ParseTime(text) is { } time)
        {
            return time;
        }

        errors.Add(prefix + name, "must be a date or a time of ISO 8601, for instance 2026-05-01 or 2026-05-01T12:00:00Z, from year 1 to 9999.");
        return null;
    }

    public IReadOnlyList<string>? Texts(string name, int maxCount, int maxLength)
    {
        if (!Take(name, out var element))
        {
            return null;
        }

        var length = element.ValueKind == JsonValueKind.Array ? element.GetArrayLength() : -1;
        if (length < 0 || length > maxCount)
        {
            errors.Add(prefix + name, $"must be a list of at most {maxCount} texts.");
            return null;
        }

        List<string> texts = [];
        foreach (var item in element.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String || Value(item) is not { Length: > 0 } text)
            {
                errors.Add($"{prefix}{name}[{texts.Count}]", "must be text and not empty.");
                return null;
            }

            if (TextFault(text, maxLength) is { } fault)
            {
                errors.Add($"{prefix}{name}[{texts.Count}]", fault);
                return null;
            }

            texts.Add(text);
        }

        return texts.Count == 0 ? null : texts;
    }

    public JsonFields? Object(string name) => Take(name, out var element) ? new JsonFields(element, prefix + name + ".", errors) : null;

    /// <summary>To be called last: names the fields that nobody asked for.</summary>
    public void RefuseOthers()
    {
        foreach (var name in fields.Keys)
        {
            errors.Add(prefix + Printable(name), "is not a field that is known here.");
        }
    }

    /// <summary>What is wrong with a text from outside; null if nothing.</summary>
    public static string? TextFault(string text, int maxLength) =>
        text.Length > maxLength ? string.Create(CultureInfo.InvariantCulture, $"has {text.Length} characters; {maxLength} are allowed.")
        : text.Any(c => char.IsControl(c) && c is not ('\t' or '\n' or '\r')) ? "holds control characters."
        : !IsWellFormed(text) ? "holds half a surrogate pair."
        : null;

    public static DateTimeOffset? ParseTime(string text) =>
        text.Length <= 40 && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            && time.UtcDateTime > DateTime.MinValue.AddDays(2) && time.UtcDateTime < DateTime.MaxValue.AddDays(-2)
            ? time.ToUniversalTime() : null;

    private static bool IsWellFormed(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[++i])))
            {
                return false;
            }
        }

        return true;
    }

    // A JSON string may hold an escape that is half a surrogate pair, which .NET refuses to turn into text.
    private static string? Value(JsonElement element)
    {
        try
        {
            return element.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string? Name(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string Printable(string name) => new([.. name.Take(64).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)]);

    private bool Take(string name, out JsonElement element) => fields.Remove(name, out element) && element.ValueKind != JsonValueKind.Null;
}
