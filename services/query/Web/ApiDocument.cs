using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace ImageSearch.Query.Web;

/// <summary>The OpenAPI document at <c>/openapi/v1.json</c>.</summary>
public static class ApiDocument
{
    private static readonly (string Name, string Summary, string Json)[] Examples =
    [
        ("words", "Words, one of them required, one excluded", """{ "text": "dog +beach -people", "k": 24 }"""),
        ("picture", "Pictures like one of the collection", """{ "image": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }"""),
        ("composed", "A picture, but in other colours", """
            { "text": "at night", "image": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "weights": { "text": 0.7, "image": 1 }, "compose": "template" }
            """),
        ("merged", "The picture's own words and yours, merged by a language model where one is configured", """
            { "text": "the same, but at night", "image": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "compose": "llm" }
            """),
        ("filtered", "With filters, explained, fused by ranks", """
            { "text": "\"sports car\" tag:vehicle", "negativeText": "toy", "filter": { "takenFrom": "2026-01-01", "minWidth": 1000, "orientation": "landscape", "formats": ["jpeg"], "keyPrefix": "holidays/" },
              "fusion": { "method": "rrf", "rrfK": 60 }, "explain": true, "groupDuplicates": true }
            """),
    ];

    public static IServiceCollection AddApiDocument(this IServiceCollection services) => services.AddOpenApi(o =>
    {
        o.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new() { Title = "ImageSearch query", Version = "1", Description = "Search by words, by picture, or both; pictures decoded from their bitstreams. Errors are RFC 9457 problem details that name the field." };
            document.Servers = [];
            return Task.CompletedTask;
        });
        o.AddOperationTransformer((operation, _, _) =>
        {
            if (operation.OperationId == "Search" && operation.RequestBody?.Content is { } content && content.TryGetValue("application/json", out var json))
            {
                json.Examples = Examples.ToDictionary(e => e.Name, e => (IOpenApiExample)new OpenApiExample { Summary = e.Summary, Value = JsonNode.Parse(e.Json) });
                content["multipart/form-data"] = new()
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Properties = new Dictionary<string, IOpenApiSchema>
                        {
                            ["query"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "The JSON of application/json." },
                            ["image"] = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary", Description = "A picture file." },
                        },
                    },
                };
            }

            return Task.CompletedTask;
        });
    });
}
