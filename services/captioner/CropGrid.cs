namespace ImageSearch.Captioner;

/// <summary>A rectangle of a picture, as shares of its width and height.</summary>
/// <param name="Number">0 is the whole picture, 1 and up its crops, row by row.</param>
public readonly record struct Region(short Number, float X, float Y, float Width, float Height)
{
    public static Region Whole { get; } = new(0, 0, 0, 1, 1);

    /// <summary>The smallest rectangle of whole cells that covers this region of a raster, and has at least <paramref name="least"/> cells a side where the raster has.</summary>
    public (int X, int Y, int Width, int Height) Cells(int width, int height, int least = 1)
    {
        var (x, w) = Span(X, Width, width, least);
        var (y, h) = Span(Y, Height, height, least);
        return (x, y, w, h);
    }

    private static (int Start, int Length) Span(float start, float share, int cells, int least)
    {
        // Shares such as 0.6 + 0.4 end a hair beyond a cell's border in float; that must not take in another cell.
        const float hair = 1e-4f;
        var first = Math.Clamp((int)MathF.Floor((start * cells) + hair), 0, cells - 1);
        var end = Math.Clamp((int)MathF.Ceiling(((start + share) * cells) - hair), first + 1, cells);
        var length = Math.Min(Math.Max(end - first, least), cells);
        return (Math.Min(first, cells - length), length);
    }
}

/// <summary>
/// The whole picture and a grid of overlapping crops. A model shown only the whole overlooks details (Nakata et al., "Rethinking sparse lexical
/// representations for image retrieval in the age of rising multi-modal LLMs").
/// </summary>
public static class CropGrid
{
    /// <param name="grid"><c>none</c>, <c>2x2</c> or <c>3x3</c>.</param>
    /// <param name="overlap">Share of a crop's side shared with its neighbour, 0 to 0.5.</param>
    public static IReadOnlyList<Region> Regions(string grid, float overlap)
    {
        var n = grid switch
        {
            "none" => 0,
            "2x2" => 2,
            "3x3" => 3,
            _ => throw new ArgumentOutOfRangeException(nameof(grid), grid, "none, 2x2 or 3x3"),
        };
        List<Region> regions = [Region.Whole];

        // n sides of length s that overlap by s * overlap cover 1: s * (n - (n - 1) * overlap) = 1.
        var side = 1f / (n - ((n - 1) * overlap));
        for (var row = 0; row < n; row++)
        {
            for (var column = 0; column < n; column++)
            {
                regions.Add(new((short)regions.Count, column * side * (1 - overlap), row * side * (1 - overlap), side, side));
            }
        }

        return regions;
    }
}
