using ImageSearch.Captioner.Tagging;
using ImageSearch.Compression;

namespace ImageSearch.Captioner.Tests;

public class LatentRegionsTests
{
    // Each value names its place: channel * 10000 + row * 100 + column.
    private static LatentGrid Grid(int channels, int height, int width) => new(channels, height, width,
        [.. from c in Enumerable.Range(0, channels) from y in Enumerable.Range(0, height) from x in Enumerable.Range(0, width) select (float)((c * 10000) + (y * 100) + x)], "tiny-codec/1");

    [Fact]
    public void Every_crop_is_its_part_of_the_latents()
    {
        foreach (var region in CropGrid.Regions("3x3", 0.2f))
        {
            var cut = LatentRegions.Cut(Grid(3, 16, 24), region);
            var (x, y, width, height) = region.Cells(24, 16, LatentRegions.LeastCells);

            Assert.Equal((3, height, width), (cut.Channels, cut.Height, cut.Width));
            Assert.Equal(from c in Enumerable.Range(0, 3) from j in Enumerable.Range(y, height) from i in Enumerable.Range(x, width) select (float)((c * 10000) + (j * 100) + i), cut.Values);
        }
    }

    [Fact]
    public void A_thin_picture_keeps_what_it_has()
    {
        var cut = LatentRegions.Cut(Grid(2, 1, 24), CropGrid.Regions("2x2", 0)[1]);
        Assert.Equal((1, 12), (cut.Height, cut.Width));
    }
}
