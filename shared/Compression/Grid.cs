namespace ImageSearch.Compression;

/// <summary>Sizes that follow from a picture's: it is padded to multiples of 64 pixels on the right and at the bottom.</summary>
internal readonly record struct Grid(int Width, int Height)
{
    public int Rows64 => (Height + 63) / 64;

    public int Columns64 => (Width + 63) / 64;

    /// <summary>Rows of latents that stand for pixels of the picture; padding comes after them.</summary>
    public int Rows16 => (Height + 15) / 16;

    public int Columns16 => (Width + 15) / 16;

    /// <summary>Latent positions including padding.</summary>
    public long Positions16 => 16L * Rows64 * Columns64;

    /// <summary>Index of the first entry of a latent position's stride-32 cell in set layout, and its phase within the cell.</summary>
    public (long Cell, int Phase) SetPosition(int row16, int column16, int channels) =>
        ((((long)(row16 >> 1) * (2 * Columns64)) + (column16 >> 1)) * 4 * channels, (2 * (row16 & 1)) + (column16 & 1));

    /// <summary>Near-equal tiles of at most <see cref="Transforms.TileSide"/> pixels, each with the margins that its neighbours overlap.</summary>
    /// <param name="margin">Pixels beyond the core that the transform can see, a multiple of 16; of 64 where tiles feed h_a.</param>
    public IEnumerable<Tile> Tiles(int margin)
    {
        var (rows, columns) = (Rows64, Columns64);
        const int Side = Transforms.TileSide / 64;
        var (down, across) = ((rows + Side - 1) / Side, (columns + Side - 1) / Side);
        for (var i = 0; i < down; i++)
        {
            for (var j = 0; j < across; j++)
            {
                yield return new Tile(rows * i / down * 64, columns * j / across * 64, rows * (i + 1) / down * 64, columns * (j + 1) / across * 64,
                    rows * 64, columns * 64, margin, down * across > 1 && i == down - 1 && j == across - 1);
            }
        }
    }
}

/// <summary>A tile of the padded picture (Height x Width), in pixels: the core is what it contributes, the rest is margin. Last of several: never set for a single tile.</summary>
internal readonly record struct Tile(int CoreTop, int CoreLeft, int CoreBottom, int CoreRight, int Height, int Width, int Margin, bool Last)
{
    public int Top => Math.Max(0, CoreTop - Margin);

    public int Left => Math.Max(0, CoreLeft - Margin);

    public int Rows16 => (Math.Min(Height, CoreBottom + Margin) - Top) / 16;

    public int Columns16 => (Math.Min(Width, CoreRight + Margin) - Left) / 16;

    public int Positions => Rows16 * Columns16;
}
