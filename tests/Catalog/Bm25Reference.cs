using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

/// <summary>BM25 straight from the formula of docs/bm25.md over documents in memory, for the configuration "simple" and texts of lower-case
/// words. Knows nothing of postings, blocks or the code under test.</summary>
internal sealed class Bm25Reference(IReadOnlyDictionary<long, LexicalDocument> documents, LexicalOptions options)
{
    private readonly Dictionary<long, Dictionary<string, double>> frequencies = documents.ToDictionary(d => d.Key, d => Frequencies(d.Value, options));

    public Dictionary<long, double> Scores(IReadOnlyList<string> words)
    {
        var n = documents.Count;
        var average = frequencies.Values.Sum(f => f.Values.Sum()) / n;
        var idf = words.Distinct().ToDictionary(w => w, w =>
        {
            var df = frequencies.Values.Count(f => f.ContainsKey(w));
            return Math.Log(1 + (n - df + 0.5) / (df + 0.5));
        });
        return frequencies.Where(f => idf.Keys.Any(f.Value.ContainsKey)).ToDictionary(f => f.Key, f =>
        {
            var length = f.Value.Values.Sum();
            return idf.Sum(i =>
            {
                var tf = f.Value.GetValueOrDefault(i.Key);
                return i.Value * tf * (options.K1 + 1) / (tf + options.K1 * (1 - options.B + options.B * length / average));
            });
        });
    }

    public static string[] Words(LexicalDocument d) =>
        [.. d.Tags.Append(d.Caption).Concat(d.CropCaptions).Append(d.Name).SelectMany(t => t.Split(' ', StringSplitOptions.RemoveEmptyEntries))];

    private static Dictionary<string, double> Frequencies(LexicalDocument d, LexicalOptions options)
    {
        Dictionary<string, double> result = [];
        Count(d.Tags, options.TagsWeight);
        Count([d.Caption], options.CaptionWeight);
        Count(d.CropCaptions, options.CropCaptionsWeight);
        Count([d.Name], options.NameWeight);
        return result;

        void Count(IEnumerable<string> texts, decimal weight)
        {
            foreach (var word in texts.SelectMany(t => t.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            {
                result[word] = result.GetValueOrDefault(word) + (double)weight;
            }
        }
    }
}
