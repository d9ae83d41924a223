using System.Text.Json;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting.Security;
using ImageSearch.Query.Web;
using Microsoft.AspNetCore.Http.Features;

namespace ImageSearch.Query.Search;

/// <summary>From the bytes of a request to a checked <see cref="SearchRequest"/>.</summary>
public static class SearchRequestReader
{
    public const int MaxText = 1000;

    private const int MaxJson = 64 << 10;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 8 };

    /// <summary>JSON, or multipart with the fields <c>query</c> (JSON) and <c>image</c> (a file).</summary>
    /// <exception cref="RequestException">Too large, of another media type, or broken before any field could be read.</exception>
    public static async Task<SearchRequest?> ReadAsync(HttpRequest http, SearchOptions options, FieldErrors errors, CancellationToken ct)
    {
        if (http.HasFormContentType)
        {
            http.HttpContext.AllowBody(options.MaxPictureBytes + (2 * MaxJson));
            return await ReadFormAsync(http, options, errors, ct);
        }

        if (!http.HasJsonContentType())
        {
            throw new RequestException(StatusCodes.Status415UnsupportedMediaType, "", "Send application/json, or multipart/form-data with the fields 'query' and 'image'.");
        }

        using var body = new MemoryStream();
        await CopyAsync(http.Body, body, MaxJson, "", ct);
        return Parse(body.GetBuffer().AsMemory(0, (int)body.Length), "", errors);
    }

    public static SearchRequest? Parse(ReadOnlyMemory<byte> json, string field, FieldErrors errors)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return Read(document.RootElement, errors);
        }
        catch (JsonException e)
        {
            errors.Add(field, $"is not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine}).");
            return null;
        }
    }

    /// <summary>The convenient form: <c>?q=words&amp;k=24&amp;mode=hybrid</c>.</summary>
    public static SearchRequest? ReadQuery(IQueryCollection query, FieldErrors errors)
    {
        var fields = new Dictionary<string, object?>(StringComparer.Ordinal);
        var filter = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, values) in query)
        {
            var text = values.Count == 1 ? values[0] ?? "" : null;
            object? value = int.TryParse(text, out var number) ? number : text is "true" or "false" ? text == "true" : text;
            switch (name)
            {
                case "q":
                    fields["text"] = text;
                    break;
                case "image" or "negativeText" or "mode" or "cursor" or "compose":
                    fields[name] = text;
                    break;
                case "k" or "explain" or "groupDuplicates" or "exact":
                    fields[name] = value;
                    break;
                case "minWidth" or "minHeight":
                    filter[name] = value;
                    break;
                case "uploadedFrom" or "uploadedTo" or "takenFrom" or "takenTo" or "orientation" or "keyPrefix":
                    filter[name] = text;
                    break;
                case "tag":
                    filter["tags"] = values.ToArray();
                    break;
                case "format":
                    filter["formats"] = values.ToArray();
                    break;
                default:
                    errors.Add(new string([.. name.Take(64).Where(c => !char.IsControl(c) && !char.IsSurrogate(c))]), "is not a parameter that is known here.");
                    break;
            }

            if (values.Count > 1 && name is not ("tag" or "format"))
            {
                errors.Add(name.Length <= 64 ? name : name[..64], "is given more than once.");
            }
        }

        if (filter.Count > 0)
        {
            fields["filter"] = filter;
        }

        return errors.Any ? null : Parse(JsonSerializer.SerializeToUtf8Bytes(fields), "", errors);
    }

    private static SearchRequest Read(JsonElement root, FieldErrors errors)
    {
        var fields = new JsonFields(root, "", errors);
        var image = fields.Text("image", 100);
        ImageId? id = null;
        if (image is not null)
        {
            if (ImageId.TryParse(image, out var parsed))
            {
                id = parsed;
            }
            else
            {
                errors.Add("image", "must be an image id: the 64 hexadecimal digits of its SHA-256.");
            }
        }

        var request = new SearchRequest(
            fields.Text("text", MaxText),
            id,
            fields.Text("negativeText", MaxText),
            ReadWeights(fields.Object("weights")),
            fields.Choice("compose", ("vector", Composition.Vector), ("template", Composition.Template), ("llm", Composition.Llm)) ?? Composition.Vector,
            fields.Choice("mode", ("hybrid", SearchMode.Hybrid), ("dense", SearchMode.Dense), ("lexical", SearchMode.Lexical)) ?? SearchMode.Hybrid,
            ReadFusion(fields.Object("fusion")),
            ReadFilter(fields.Object("filter"), errors),
            fields.Integer("k", 1, SearchOptions.MaxPage),
            fields.Text("cursor", 64),
            fields.Flag("explain"),
            fields.Flag("groupDuplicates"),
            fields.Flag("exact"));
        fields.RefuseOthers();
        return request;
    }

    private static SearchWeights? ReadWeights(JsonFields? fields)
    {
        if (fields is null)
        {
            return null;
        }

        var weights = new SearchWeights(fields.Number("text", 0, 10) ?? 1, fields.Number("image", 0, 10) ?? 1, fields.Number("negative", 0, 10) ?? 0.5);
        fields.RefuseOthers();
        return weights;
    }

    private static FusionRequest? ReadFusion(JsonFields? fields)
    {
        if (fields is null)
        {
            return null;
        }

        var fusion = new FusionRequest(
            fields.Choice("method", ("convex", FusionMethod.Convex), ("rrf", FusionMethod.Rrf)) ?? FusionMethod.Convex,
            fields.Number("denseWeight", 0, 1), fields.Number("rrfK", 1, 10_000));
        fields.RefuseOthers();
        return fusion;
    }

    private static ImageFilter? ReadFilter(JsonFields? fields, FieldErrors errors)
    {
        if (fields is null)
        {
            return null;
        }

        var filter = new ImageFilter(
            fields.Time("uploadedFrom"), fields.Time("uploadedTo"), fields.Time("takenFrom"), fields.Time("takenTo"),
            fields.Integer("minWidth", 1, 1_000_000), fields.Integer("minHeight", 1, 1_000_000),
            fields.Choice("orientation", ("landscape", Orientation.Landscape), ("portrait", Orientation.Portrait), ("square", Orientation.Square)),
            fields.Texts("formats", 16, 16), fields.Text("keyPrefix", 1024), fields.Texts("tags", 16, 100));
        fields.RefuseOthers();
        if (filter.UploadedFrom >= filter.UploadedTo)
        {
            errors.Add("filter.uploadedTo", "must be later than uploadedFrom.");
        }

        if (filter.TakenFrom >= filter.TakenTo)
        {
            errors.Add("filter.takenTo", "must be later than takenFrom.");
        }

        return filter == ImageFilter.None ? null : filter;
    }

    private static async Task<SearchRequest?> ReadFormAsync(HttpRequest http, SearchOptions options, FieldErrors errors, CancellationToken ct)
    {
        IFormCollection form;
        try
        {
            var limits = new FormOptions
            {
                MultipartBodyLengthLimit = options.MaxPictureBytes + MaxJson,
                ValueLengthLimit = MaxJson,
                ValueCountLimit = 16,
                MultipartHeadersLengthLimit = 4096,
                MemoryBufferThreshold = 1 << 20,
                KeyLengthLimit = 256,
            };
            form = await http.ReadFormAsync(limits, ct);
        }
        catch (Exception e) when (e is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw new RequestException(StatusCodes.Status400BadRequest, "", $"The form is broken or too large: {e.Message}");
        }

        var query = form["query"];
        if (query.Count > 1)
        {
            errors.Add("query", "is given more than once.");
            return null;
        }

        foreach (var name in form.Keys.Where(k => k != "query").Concat(form.Files.Select(f => f.Name).Where(n => n != "image")))
        {
            errors.Add(new string([.. name.Take(64).Where(c => !char.IsControl(c) && !char.IsSurrogate(c))]), "is not a field that is known here; the form has 'query' and 'image'.");
        }

        var request = string.IsNullOrWhiteSpace(query) ? new SearchRequest() : Parse(System.Text.Encoding.UTF8.GetBytes(query!), "query", errors);
        if (form.Files.Count > 1)
        {
            errors.Add("image", "takes one picture.");
        }

        if (request is null || errors.Any || form.Files.Count == 0)
        {
            return request;
        }

        var file = form.Files[0];
        if (file.Length == 0 || file.Length > options.MaxPictureBytes)
        {
            errors.Add("image", file.Length == 0 ? "is empty." : $"has {file.Length} bytes; {options.MaxPictureBytes} are allowed.");
            return request;
        }

        if (request.Image is not null)
        {
            errors.Add("image", "is given as a file and as an id; choose one.");
        }

        using var content = new MemoryStream((int)file.Length);
        await file.CopyToAsync(content, ct);
        return request with { Upload = content.GetBuffer().AsMemory(0, (int)content.Length) };
    }

    private static async Task CopyAsync(Stream from, MemoryStream to, int limit, string field, CancellationToken ct)
    {
        var buffer = new byte[8192];
        int read;
        while ((read = await from.ReadAsync(buffer, ct)) > 0)
        {
            if (to.Length + read > limit)
            {
                throw new RequestException(StatusCodes.Status413PayloadTooLarge, field, $"A query has at most {limit} bytes.");
            }

            to.Write(buffer, 0, read);
        }
    }
}
