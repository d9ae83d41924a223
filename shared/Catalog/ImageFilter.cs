using System.Globalization;
using System.Text;
using Npgsql;

namespace ImageSearch.Catalog;

public enum Orientation { Landscape, Portrait, Square }

/// <summary>Conditions that a picture must meet; those left null hold for every picture. Intervals are closed below and open above.</summary>
/// <param name="Formats">Any of these, as in the catalogue: <c>jpeg</c>, <c>png</c> ...</param>
/// <param name="KeyPrefix">One of the picture's keys starts with this.</param>
/// <param name="Tags">All of these stand among the picture's tags, letter for letter.</param>
/// <param name="MaxImage">Highest surrogate key: pictures that arrived later are left out, so that pages stay stable.</param>
public sealed record ImageFilter(
    DateTimeOffset? UploadedFrom = null,
    DateTimeOffset? UploadedTo = null,
    DateTimeOffset? TakenFrom = null,
    DateTimeOffset? TakenTo = null,
    int? MinWidth = null,
    int? MinHeight = null,
    Orientation? Orientation = null,
    IReadOnlyList<string>? Formats = null,
    string? KeyPrefix = null,
    IReadOnlyList<string>? Tags = null,
    long? MaxImage = null)
{
    public static readonly ImageFilter None = new();

    /// <summary>Nothing but (perhaps) the bound on arrival is asked for.</summary>
    public bool IsOpen => this with { MaxImage = null } == None;

    /// <summary>
    /// Conditions on a table <c>i</c> with the columns of <c>images</c>, each preceded by AND; values go to <paramref name="parameters"/>.
    /// </summary>
    internal string Where(NpgsqlParameterCollection parameters)
    {
        var sql = new StringBuilder();
        string Bind(object value)
        {
            parameters.Add(new() { Value = value });
            return string.Create(CultureInfo.InvariantCulture, $"${parameters.Count}");
        }

        void And(string condition) => sql.Append(" AND ").Append(condition);
        if (UploadedFrom is { } uploadedFrom)
        {
            And($"i.created_at >= {Bind(uploadedFrom.ToUniversalTime())}");
        }

        if (UploadedTo is { } uploadedTo)
        {
            And($"i.created_at < {Bind(uploadedTo.ToUniversalTime())}");
        }

        if (TakenFrom is { } takenFrom)
        {
            And($"i.taken_at >= {Bind(takenFrom.ToUniversalTime())}");
        }

        if (TakenTo is { } takenTo)
        {
            And($"i.taken_at < {Bind(takenTo.ToUniversalTime())}");
        }

        if (MinWidth is { } width)
        {
            And($"i.width >= {Bind(width)}");
        }

        if (MinHeight is { } height)
        {
            And($"i.height >= {Bind(height)}");
        }

        if (Orientation is { } orientation)
        {
            And(orientation switch
            {
                Catalog.Orientation.Landscape => "i.width > i.height",
                Catalog.Orientation.Portrait => "i.width < i.height",
                _ => "i.width = i.height",
            });
        }

        if (Formats is { Count: > 0 } formats)
        {
            And($"i.format = ANY({Bind(formats.ToArray())})");
        }

        if (KeyPrefix is { Length: > 0 } prefix)
        {
            And($"EXISTS (SELECT FROM objects o WHERE o.image_id = i.id AND o.key LIKE {Bind(LikePrefix(prefix))})");
        }

        if (Tags is { Count: > 0 } tags)
        {
            // Containment per region would miss a picture whose tags stand in different regions.
            foreach (var tag in tags)
            {
                And($"EXISTS (SELECT FROM captions c WHERE c.image_id = i.id AND c.tags @> ARRAY[{Bind(tag)}])");
            }
        }

        if (MaxImage is { } last)
        {
            And($"i.id <= {Bind(last)}");
        }

        return sql.ToString();
    }

    /// <summary>A LIKE pattern for everything that starts with <paramref name="prefix"/> literally.</summary>
    internal static string LikePrefix(string prefix) =>
        prefix.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal) + "%";
}
