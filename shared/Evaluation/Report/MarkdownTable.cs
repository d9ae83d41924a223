using System.Globalization;
using System.Text;

namespace ImageSearch.Evaluation.Report;

/// <summary>A table; columns that hold nothing but figures are set to the right.</summary>
public sealed class MarkdownTable(params string[] columns)
{
    private readonly List<string[]> rows = [];
    private readonly bool[] words = new bool[columns.Length];

    /// <summary>Text as it is (a vertical bar escaped), whole numbers with thousands set apart, other numbers with two digits, missing ones as a dash.</summary>
    public MarkdownTable Add(params object?[] cells)
    {
        if (cells.Length != columns.Length)
        {
            throw new ArgumentException($"The table has {columns.Length} columns, the row {cells.Length} cells.", nameof(cells));
        }

        for (var i = 0; i < cells.Length; i++)
        {
            words[i] |= cells[i] is string;
        }

        rows.Add([.. cells.Select(Format)]);
        return this;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("| ").AppendJoin(" | ", columns).Append(" |\n|").AppendJoin("|", words.Select(w => w ? "---" : "---:")).Append("|\n");
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
