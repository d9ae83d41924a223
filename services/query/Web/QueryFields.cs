using System.Globalization;

namespace ImageSearch.Query.Web;

/// <summary>Parameters of the query string; a wrong one is answered with its name.</summary>
public static class QueryFields
{
    /// <exception cref="RequestException">Not a number in the range, or given twice.</exception>
    public static int? Integer(HttpRequest http, string name, int low, int high)
    {
        var text = http.Query[name].ToString();
        return text.Length == 0 ? null
            : int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value >= low && value <= high ? value
            : throw new RequestException(StatusCodes.Status400BadRequest, name, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from {low} to {high}."));
    }

    /// <exception cref="RequestException">Too long, or holds control characters.</exception>
    public static string? Text(HttpRequest http, string name, int maxLength)
    {
        var text = http.Query[name].ToString();
        return text.Length == 0 ? null
            : JsonFields.TextFault(text, maxLength) is { } fault ? throw new RequestException(StatusCodes.Status400BadRequest, name, fault)
            : text;
    }

    /// <exception cref="RequestException">None of the choices.</exception>
    public static T Choice<T>(HttpRequest http, string name, T fallback, params (string Name, T Value)[] values)
    {
        var text = http.Query[name].ToString();
        foreach (var (wire, value) in values)
        {
            if (wire == text)
            {
                return value;
            }
        }

        return text.Length == 0 ? fallback
            : throw new RequestException(StatusCodes.Status400BadRequest, name, $"must be one of: {string.Join(", ", values.Select(v => v.Name))}.");
    }
}
