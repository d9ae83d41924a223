using System.Text;

namespace ImageSearch.Catalog.Lexical;

/// <summary>What documents and queries go through before PostgreSQL's parser: everything but letters, marks, digits and apostrophes
/// becomes a blank. Otherwise the parser takes <c>beach.jpg</c> for a host and <c>dog/cat</c> for a path, each one lexeme that no
/// word finds. It also takes out NUL and lone surrogates, which PostgreSQL cannot store.</summary>
internal static class LexicalText
{
    /// <summary>Characters taken per field; the rest is cut. A tsvector may not exceed 1 MB and positions end at 16383.</summary>
    public const int MaxLength = 60_000;

    public static string Normalise(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "";
        }

        var result = new StringBuilder(Math.Min(text.Length, MaxLength));
        foreach (var rune in text.EnumerateRunes())
        {
            if (result.Length >= MaxLength)
            {
                break;
            }

            if (rune != Rune.ReplacementChar && (Rune.IsLetterOrDigit(rune) || rune.Value == '\'' || IsMark(rune)))
            {
                result.Append(rune);
            }
            else
            {
                result.Append(' ');
            }
        }

        return result.ToString();
    }

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
        or System.Globalization.UnicodeCategory.SpacingCombiningMark;
}
