using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Benchmarks.Lexical;

/// <summary>Synthetic captions: words of a Zipfian vocabulary (rank r with probability ~ 1 / (r + 2.7)), about 60 words per document
/// over tags, caption, crop captions and name. Words are made up, so that no stemmer merges them and none is a stop word.</summary>
internal sealed class Captions(int vocabulary)
{
    private readonly string[] words = [.. Enumerable.Range(0, vocabulary).Select(Spell)];
    private readonly double[] cumulative = Cumulative(vocabulary);

    public LexicalDocument Document(Random random) => new(
        [.. Enumerable.Range(0, 6).Select(_ => Text(random, 1))], Text(random, random.Next(14, 27)),
        [.. Enumerable.Range(0, 4).Select(_ => Text(random, random.Next(6, 11)))], Text(random, 2));

    /// <summary>Three different words, each drawn as the words of the documents are.</summary>
    public string Query(Random random)
    {
        HashSet<string> drawn = [];
        while (drawn.Count < 3)
        {
            drawn.Add(Word(random));
        }

        return string.Join(' ', drawn);
    }

    /// <summary>The postings that a document of the same make would have: per word its weighted frequency in units and whether it is a tag.</summary>
    public (Dictionary<string, (int Frequency, bool Tagged)> Words, int Length) Frequencies(Random random, int[] units)
    {
        var document = Document(random);
        Dictionary<string, (int Frequency, bool Tagged)> result = [];
        var length = 0;
        Count(document.Tags, units[0], true);
        Count([document.Caption], units[1], false);
        Count(document.CropCaptions, units[2], false);
        Count([document.Name], units[3], false);
        return (result, length);

        void Count(IEnumerable<string> texts, int weight, bool tags)
        {
            foreach (var word in texts.SelectMany(t => t.Split(' ')))
            {
                var (frequency, tagged) = result.GetValueOrDefault(word);
                result[word] = (frequency + weight, tagged || tags);
                length += weight;
            }
        }
    }

    private string Text(Random random, int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ => Word(random)));

    private string Word(Random random)
    {
        var i = Array.BinarySearch(cumulative, random.NextDouble() * cumulative[^1]);
        return words[i < 0 ? ~i : i];
    }

    private static double[] Cumulative(int count)
    {
        var sum = 0.0;
        return [.. Enumerable.Range(1, count).Select(r => sum += 1 / (r + 2.7))];
    }

    private static string Spell(int rank)
    {
        const string Consonants = "bdfgklmnprtvz", Vowels = "aou";
        var word = "";
        for (var n = rank + 40; n > 0; n /= Consonants.Length * Vowels.Length)
        {
            word += $"{Consonants[n % Consonants.Length]}{Vowels[n / Consonants.Length % Vowels.Length]}";
        }

        return word + "k";
    }
}
