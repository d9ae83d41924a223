using ImageSearch.Compression;
using ImageSearch.Inference;

namespace ImageSearch.Captioner.Tagging;

/// <summary>Crops of a picture cut out of its latents: the analysis transform runs once, however many crops there are.</summary>
public static class LatentRegions
{
    /// <summary>The adapter halves its input twice; less than this a side would leave it nothing to look at.</summary>
    public const int LeastCells = 4;

    /// <param name="grid">Latents of the whole picture, [C, H, W].</param>
    /// <returns>[C, h, w] of the cells that the region covers.</returns>
    public static LatentInput Cut(LatentGrid grid, Region region)
    {
        var (x, y, width, height) = region.Cells(grid.Width, grid.Height, LeastCells);
        if ((width, height) == (grid.Width, grid.Height))
        {
            return new(grid.Channels, height, width, grid.Values, grid.Space);
        }

        var values = new float[grid.Channels * height * width];
        for (var row = 0; row < grid.Channels * height; row++)
        {
            var from = ((((row / height * grid.Height) + y + (row % height)) * grid.Width) + x);
            grid.Values.AsSpan(from, width).CopyTo(values.AsSpan(row * width));
        }

        return new(grid.Channels, height, width, values, grid.Space);
    }
}
