using System.Text;

namespace ImageSearch.Operator.Audits;

/// <summary>The order in which S3 stores list keys and PostgreSQL's collation "C" sorts them: by UTF-8 bytes. Ordinal order of .NET differs beyond U+FFFF.</summary>
internal sealed class Utf8Order : IComparer<string?>
{
    public static readonly Utf8Order Instance = new();

    public int Compare(string? x, string? y) => Encoding.UTF8.GetBytes(x ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y ?? ""));
}
