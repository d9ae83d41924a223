using Microsoft.AspNetCore.Http.HttpResults;

namespace ImageSearch.Query.Web;

/// <summary>What is wrong with a request, by the name of the field on the wire.</summary>
public sealed class FieldErrors
{
    private readonly Dictionary<string, List<string>> errors = new(StringComparer.Ordinal);

    public bool Any => errors.Count > 0;

    public void Add(string field, string message)
    {
        if (!errors.TryGetValue(field, out var messages))
        {
            errors.Add(field, messages = []);
        }

        messages.Add(message);
    }

    /// <summary>RFC 9457 problem details with one entry per field under <c>errors</c>.</summary>
    public ValidationProblem ToProblem()
    {
        var fields = string.Join(", ", errors.Keys.Where(f => f.Length > 0));
        return TypedResults.ValidationProblem(
            errors.ToDictionary(e => e.Key, e => e.Value.ToArray()),
            title: fields.Length > 0 ? $"The request is not valid: {fields}." : "The request is not valid.",
            type: "https://www.rfc-editor.org/rfc/rfc9110#name-400-bad-request");
    }

    public static ValidationProblem Problem(string field, string message)
    {
        var one = new FieldErrors();
        one.Add(field, message);
        return one.ToProblem();
    }
}

/// <summary>A request that cannot be answered as it is.</summary>
public sealed class RequestException(int status, string fieldName, string message) : Exception(message)
{
    public int Status => status;

    /// <summary>Name on the wire; empty where no single field is at fault.</summary>
    public string FieldName => fieldName;
}
