namespace ImageSearch.Captioner.Tests;

public class CropGridTests
{
    [Theory]
    [InlineData("none", 0f, 1)]
    [InlineData("2x2", 0f, 5)]
    [InlineData("2x2", 0.2f, 5)]
    [InlineData("3x3", 0.5f, 10)]
    public void The_whole_comes_first_and_the_crops_cover_the_picture(string grid, float overlap, int count)
    {
        var regions = CropGrid.Regions(grid, overlap);

        Assert.Equal(count, regions.Count);
        Assert.Equal(Region.Whole, regions[0]);
        Assert.Equal(Enumerable.Range(0, count), regions.Select(r => (int)r.Number));
        var covered = new int[97, 61];
        foreach (var r in regions.Skip(count > 1 ? 1 : 0))
        {
            Assert.InRange(r.X + r.Width, 0, 1.00001f);
            Assert.InRange(r.Y + r.Height, 0, 1.00001f);
            var (x, y, width, height) = r.Cells(97, 61);
            Assert.InRange(x + width, 1, 97);
            Assert.InRange(y + height, 1, 61);
            for (var i = x; i < x + width; i++)
            {
                for (var j = y; j < y + height; j++)
                {
                    covered[i, j]++;
                }
            }
        }

        Assert.DoesNotContain(0, covered.Cast<int>());
    }

    [Fact]
    public void Neighbours_share_the_overlap()
    {
        var regions = CropGrid.Regions("2x2", 0.2f);

        var shared = regions[1].X + regions[1].Width - regions[2].X;
        Assert.Equal(0.2f * regions[1].Width, shared, 5);
        Assert.Equal(1f, regions[4].X + regions[4].Width, 5);
        Assert.Equal(1f, regions[4].Y + regions[4].Height, 5);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(24, 16)]
    public void Small_rasters_give_every_region_at_least_the_least_cells_they_have(int width, int height)
    {
        foreach (var r in CropGrid.Regions("3x3", 0.1f))
        {
            var (x, y, w, h) = r.Cells(width, height, least: 4);
            Assert.True(w >= Math.Min(4, width) && h >= Math.Min(4, height) && x >= 0 && y >= 0 && x + w <= width && y + h <= height);
        }
    }

    [Fact]
    public void Halves_without_overlap_split_an_even_raster_exactly()
    {
        var cells = CropGrid.Regions("2x2", 0).Skip(1).Select(r => r.Cells(24, 16));
        Assert.Equal([(0, 0, 12, 8), (12, 0, 12, 8), (0, 8, 12, 8), (12, 8, 12, 8)], cells);
    }
}
