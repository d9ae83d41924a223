using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using ImageSearch.Query.Models;
using ImageSearch.Query.Search;

namespace ImageSearch.Benchmarks.Query;

/// <summary>What a hybrid search consists of, each part to be timed alone in the clients' process: no HTTP, no fusion.</summary>
internal sealed class SearchParts(Npgsql.NpgsqlDataSource db, SearchModel model, float[][] encoded)
{
    private const int Shown = 40;

    private readonly VectorSearch vectors = new(db);
    private readonly LexicalIndex index = new(db, new());
    private readonly WordOrigins origins = new(db);
    private readonly ImageReader images = new(db);
    private readonly SearchOptions options = new();

    /// <summary>Names of the parts, and one call of each.</summary>
    public IEnumerable<(string Name, Func<Random, Task> Run)> All =>
    [
        ("vector query alone", VectorsAsync),
        ("word query alone", WordsAsync),
        ("both at once", r => Task.WhenAll(VectorsAsync(r), WordsAsync(r))),
        ("every database call of a hybrid search", EverythingAsync),
        ("text encoding", r => Task.Run(() => model.EncodeText(CaptionedCollection.Words(r)))),
    ];

    private float[] Any(Random random) => encoded[random.Next(encoded.Length)];

    private Task<IReadOnlyList<VectorHit>> VectorsAsync(Random random) => vectors.SearchAsync(model.Registered, Any(random), new(options.Depth, options.EfSearch));

    private Task<LexicalAnswer> WordsAsync(Random random) => index.AnswerAsync(LexicalQuery.Parse(CaptionedCollection.Words(random)), options.Depth);

    /// <summary>In the service's order: newest picture, vectors and words at once; whose words and how near what they found is, at once; what is shown.</summary>
    private async Task EverythingAsync(Random random)
    {
        var query = Any(random);
        var last = images.LastAsync();
        var near = vectors.SearchAsync(model.Registered, query, new(options.Depth, options.EfSearch));
        var answer = await index.AnswerAsync(LexicalQuery.Parse(CaptionedCollection.Words(random)), options.Depth);
        long[] matching = [.. answer.Hits.Select(h => h.ImageId)];
        await Task.WhenAll(
            origins.EvidenceAsync(options.Language, [.. answer.Terms.Select(t => t.Lexeme)], matching), vectors.ScoreAsync(model.Registered, query, matching), near, last);
        await images.SummariesAsync([.. matching.Take(Shown)]);
    }
}
