using System.Globalization;
using System.Text;

namespace ImageSearch.Evaluation.Report;

/// <summary>A table whose first column is text and whose others are figures.</summary>
public sealed class MarkdownTable(params string[] columns)
{
    private readonly List<string[]> rows = [];

    /// <summary>Text as it is (a vertical bar escaped), whole numbers with thousands set apart, other numbers with two digits, missing ones as a dash.</summary>
    public MarkdownTable Add(params object?[] cells)
    {
        rows.Add(cells.Length == columns.Length
            ? [.. cells.Select(Format)]
            : throw new ArgumentException($"The table has {columns.Length} columns, the row {cells.Length} cells.", nameof(cells)));
        return this;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("| ").AppendJoin(" | ", columns).Append(" |\n|").AppendJoin("|", columns.Select((_, i) => i == 0 ? "---" : "---:")).Append("|\n");
        foreach (var row in rows)
        {
            text.Append("| ").AppendJoin(" | ", row).Append(" |\n");
        }

        return text.ToString();
    }

    private static string Format(object? cell) => cell switch
    {
        null or double.NaN => "-",
        double or float => ((IFormattable)cell).ToString("0.00", CultureInfo.InvariantCulture),
        int or long => ((IFormattable)cell).ToString("N0", CultureInfo.InvariantCulture),
        _ => cell.ToString()!.Replace("|", "\\|", StringComparison.Ordinal),
    };
}
