using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using ImageSearch.Models;

namespace ImageSearch.Inference;

/// <summary>
/// CLIP's byte-level BPE (Radford et al. 2021; Sennrich et al. 2016): lower case, words by pattern, UTF-8 bytes as printable symbols, the last one of a word marked
/// <c>&lt;/w&gt;</c>, merged by rank. Thread-safe. Special tokens written in a text are ordinary characters here, so that no text can end the sequence early.
/// </summary>
public sealed partial class BpeTokenizer
{
    /// <summary>Longest text and longest word looked at; merging is quadratic in the word.</summary>
    private const int MaxTextChars = 16_384;
    private const int MaxWordBytes = 1_024;
    private const int MaxCachedWords = 20_000;

    private static readonly string[] ByteSymbols = BuildByteSymbols();

    private readonly Dictionary<string, int> vocabulary;
    private readonly Dictionary<(string Left, string Right), int> ranks;
    private readonly ConcurrentDictionary<string, int[]> words = new(StringComparer.Ordinal);
    private readonly Regex pattern;
    private readonly bool clean;

    /// <param name="vocabularyFile">vocab.json: token to id.</param>
    /// <param name="mergesFile">merges.txt: a comment line, then one pair a line, best first.</param>
    /// <param name="asciiLetters">Words are [a-z]+ instead of Unicode letters.</param>
    /// <param name="clean">HTML entities are undone and accented Latin letters composed first, as CLIP's tokenizers do.</param>
    /// <param name="startToken">Text of the token before every sequence.</param>
    /// <param name="endToken">Text of the token after every sequence.</param>
    /// <param name="padId">Fills up to a fixed length.</param>
    /// <exception cref="ModelException">A file is malformed or does not cover all bytes.</exception>
    public BpeTokenizer(
        string vocabularyFile, string mergesFile, bool asciiLetters = false, bool clean = true,
        string startToken = "<|startoftext|>", string endToken = "<|endoftext|>", int padId = 0)
    {
        try
        {
            vocabulary = new Dictionary<string, int>(JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(vocabularyFile))!, StringComparer.Ordinal);
        }
        catch (JsonException e)
        {
            throw new ModelException($"{vocabularyFile} is not a vocabulary (token to id as JSON): {e.Message}", e);
        }

        ranks = [];
        foreach (var line in File.ReadLines(mergesFile).Skip(1).Where(l => l.Length > 0))
        {
            if (line.Split(' ') is not [var left, var right] || !vocabulary.ContainsKey(left + right))
            {
                throw new ModelException($"{mergesFile}: '{line}' is not a pair whose join stands in the vocabulary.");
            }

            ranks.TryAdd((left, right), ranks.Count);
        }

        if (ByteSymbols.FirstOrDefault(s => !vocabulary.ContainsKey(s) || !vocabulary.ContainsKey(s + "</w>")) is { } missing)
        {
            throw new ModelException($"{vocabularyFile} lacks the byte symbol '{missing}' (plain or with </w>); it is not a byte-level vocabulary of CLIP's form.");
        }

        StartId = Special(startToken);
        EndId = Special(endToken);
        PadId = padId;
        pattern = asciiLetters ? AsciiWords() : UnicodeWords();
        this.clean = clean;

        int Special(string token) => vocabulary.TryGetValue(token, out var id) ? id : throw new ModelException($"{vocabularyFile} lacks the token '{token}' that the manifest names.");
    }

    public int StartId { get; }

    public int EndId { get; }

    public int PadId { get; }

    /// <summary>One more than the highest id.</summary>
    public int VocabularySize => vocabulary.Values.Max() + 1;

    /// <returns>Start, tokens, end; cut to <paramref name="contextLength"/> with the end kept; not padded.</returns>
    public int[] Encode(string text, int contextLength)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(contextLength, 2);
        var ids = new List<int>(contextLength) { StartId };
        var normal = Normalise(text);
        foreach (var match in pattern.EnumerateMatches(normal))
        {
            ids.AddRange(Word(normal.Substring(match.Index, match.Length)));
            if (ids.Count >= contextLength)
            {
                ids.RemoveRange(contextLength - 1, ids.Count - contextLength + 1);
                break;
            }
        }

        ids.Add(EndId);
        return [.. ids];
    }

    private string Normalise(string text)
    {
        if (text.Length > MaxTextChars)
        {
            text = text[..MaxTextChars];
        }

        // Entities are undone twice, as the original does: texts from the web are often escaped twice.
        return clean
            ? LatinComposition.Compose(WebUtility.HtmlDecode(WebUtility.HtmlDecode(text)).ToLowerInvariant())
            : text.ToLowerInvariant();
    }

    private int[] Word(string word)
    {
        if (words.TryGetValue(word, out var known))
        {
            return known;
        }

        var bytes = Encoding.UTF8.GetBytes(word);
        var symbols = bytes.Take(MaxWordBytes).Select(b => ByteSymbols[b]).ToList();
        symbols[^1] += "</w>";
        while (symbols.Count > 1)
        {
            var best = int.MaxValue;
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                best = Math.Min(best, ranks.GetValueOrDefault((symbols[i], symbols[i + 1]), int.MaxValue));
            }

            if (best == int.MaxValue)
            {
                break;
            }

            // All occurrences of the best pair, left to right.
            var to = 0;
            for (var i = 0; i < symbols.Count; i++)
            {
                var merge = i + 1 < symbols.Count && ranks.GetValueOrDefault((symbols[i], symbols[i + 1]), int.MaxValue) == best;
                symbols[to++] = merge ? symbols[i] + symbols[++i] : symbols[i];
            }

            symbols.RemoveRange(to, symbols.Count - to);
        }

        var ids = symbols.ConvertAll(s => vocabulary[s]).ToArray();
        if (words.Count < MaxCachedWords)
        {
            words.TryAdd(word, ids);
        }

        return ids;
    }

    /// <summary>GPT-2's map: printable Latin-1 bytes stand for themselves, the others follow from U+0100 on.</summary>
    private static string[] BuildByteSymbols()
    {
        var symbols = new string[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174;
            symbols[b] = ((char)(printable ? b : next++)).ToString();
        }

        return symbols;
    }

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", RegexOptions.CultureInvariant)]
    private static partial Regex UnicodeWords();

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+", RegexOptions.CultureInvariant)]
    private static partial Regex AsciiWords();
}
