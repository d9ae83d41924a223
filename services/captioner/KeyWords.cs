using System.Text;

namespace ImageSearch.Captioner;

/// <summary>Words out of the keys that a picture lies under: people name files and folders by what is in them.</summary>
public static class KeyWords
{
    private const int Most = 64;

    /// <summary><c>trips/2024/BeachDay-IMG_12.jpg</c> gives <c>trips 2024 Beach Day IMG 12</c>. Each word once, at most 64.</summary>
    public static string Of(IEnumerable<string> keys)
    {
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        return string.Join(' ', keys.SelectMany(k => Split(WithoutExtension(k))).Where(seen.Add).Take(Most));
    }

    private static string WithoutExtension(string key)
    {
        var dot = key.LastIndexOf('.');
        return dot > key.LastIndexOf('/') + 1 && key.Length - dot <= 6 ? key[..dot] : key;
    }

    private static IEnumerable<string> Split(string text)
    {
        var word = new StringBuilder();
        var previous = default(Rune);
        foreach (var rune in text.EnumerateRunes())
        {
            var border = !Rune.IsLetterOrDigit(rune) || (Rune.IsUpper(rune) && Rune.IsLower(previous)) || (Rune.IsDigit(rune) != Rune.IsDigit(previous));
            if (border && word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }

            if (Rune.IsLetterOrDigit(rune))
            {
                word.Append(rune);
            }

            previous = rune;
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }
}
