using System.Reflection;
using System.Text;

namespace ImageSearch.Captioner.Chat;

/// <summary>The texts of one prompt version. Versions are files beside this one and are never changed once in use: a better text is a new version.</summary>
public sealed class Prompt
{
    private static readonly string[] Sections = ["system", "whole", "crop", "repair"];

    private readonly Dictionary<string, string> texts = [];

    private Prompt(string version) => Version = version;

    public string Version { get; }

    public string System => texts["system"];

    public string Repair => texts["repair"];

    public static IReadOnlyList<string> Versions { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames().Where(n => n.StartsWith("prompts/", StringComparison.Ordinal)).Select(n => n["prompts/".Length..]).Order(StringComparer.Ordinal)];

    /// <param name="version">One of <see cref="Versions"/>.</param>
    /// <param name="language">As one would tell the model: <c>English</c>, <c>German</c>.</param>
    public static Prompt Load(string version, string language)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"prompts/{version}")
            ?? throw new ArgumentException($"There is no prompt version '{version}'; there are {string.Join(", ", Versions)}.", nameof(version));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var prompt = new Prompt(version);
        var section = "";
        while (reader.ReadLine() is { } line)
        {
            if (line is ['[', .., ']'] && Sections.Contains(line[1..^1]))
            {
                section = line[1..^1];
                prompt.texts[section] = "";
            }
            else
            {
                prompt.texts[section] += line.Replace("{language}", language, StringComparison.Ordinal) + "\n";
            }
        }

        foreach (var name in Sections)
        {
            prompt.texts[name] = prompt.texts[name].Trim();
        }

        return prompt;
    }

    public string For(Region region) => region.Number == 0 ? texts["whole"] : texts["crop"].Replace("{place}", Place(region), StringComparison.Ordinal);

    private static string Place(Region r)
    {
        string[] rows = ["upper", "middle", "lower"], columns = ["left", "centre", "right"];
        var (row, column) = (Third(r.Y + (r.Height / 2)), Third(r.X + (r.Width / 2)));
        return (row, column) == (1, 1) ? "centre" : $"{rows[row]} {columns[column]}";

        static int Third(float centre) => centre < 0.4f ? 0 : centre > 0.6f ? 2 : 1;
    }
}
