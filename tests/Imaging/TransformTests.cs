namespace ImageSearch.Imaging.Tests;

public class TransformTests
{
    /// <summary>Expected values by Pillow 11.1: Image.fromarray([values]).resize((n, 1), filter).</summary>
    [Theory]
    [InlineData(ResizeKernel.Bicubic, new byte[] { 0, 0, 0, 255, 255, 255 }, new byte[] { 0, 128, 255 })]
    [InlineData(ResizeKernel.Bicubic, new byte[] { 0, 255 }, new byte[] { 0, 53, 202, 255 })]
    [InlineData(ResizeKernel.Bicubic, new byte[] { 10, 200, 30, 90, 255, 0, 17, 3, 250, 128 }, new byte[] { 90, 128, 37, 148 })]
    [InlineData(ResizeKernel.Bicubic, new byte[] { 10, 200, 30, 90, 255, 0, 17, 3, 250, 128 }, new byte[] { 77, 101, 121, 133, 0, 107, 178 })]
    [InlineData(ResizeKernel.Bilinear, new byte[] { 0, 255 }, new byte[] { 0, 64, 191, 255 })]
    [InlineData(ResizeKernel.Bilinear, new byte[] { 10, 200, 30, 90, 255, 0, 17, 3, 250, 128 }, new byte[] { 101, 86, 112 })]
    [InlineData(ResizeKernel.Lanczos3, new byte[] { 0, 255 }, new byte[] { 0, 22, 128, 233, 255 })]
    [InlineData(ResizeKernel.Lanczos3, new byte[] { 10, 200, 30, 90, 255, 0, 17, 3, 250, 128 }, new byte[] { 84, 133, 37, 144 })]
    public void Filters_give_what_pillow_gives(ResizeKernel kernel, byte[] values, byte[] expected) =>
        Assert.All(Line(values, expected.Length, kernel).Zip(expected), p => Assert.InRange(p.First - p.Second, -1, 1));

    [Theory]
    [InlineData(ResizeKernel.Bilinear)]
    [InlineData(ResizeKernel.Bicubic)]
    [InlineData(ResizeKernel.Lanczos3)]
    public void Flat_colours_stay_flat(ResizeKernel kernel)
    {
        var flat = new Picture(37, 23, 3, Enumerable.Range(0, 37 * 23).SelectMany(_ => new byte[] { 10, 128, 255 }).ToArray());
        foreach (var (w, h) in new[] { (5, 3), (80, 50), (37, 10), (1, 1) })
        {
            var resized = flat.Resize(w, h, kernel);
            Assert.Equal((w, h), (resized.Width, resized.Height));
            Assert.All(resized.Pixels.Chunk(3), p => Assert.Equal([10, 128, 255], p));
        }
    }

    [Fact]
    public void Fine_stripes_shrink_to_grey_without_aliasing()
    {
        var stripes = new Picture(256, 16, 3, Enumerable.Range(0, 256 * 16).SelectMany(i => Enumerable.Repeat((byte)(i % 2 * 255), 3)).ToArray());
        var small = stripes.Resize(37, 16);
        Assert.All(small.Pixels.AsSpan(9, 31 * 3).ToArray(), v => Assert.InRange(v, 115, 140));
    }

    [Fact]
    public void Transparent_pixels_do_not_bleed()
    {
        // Left half opaque red, right half transparent green: no green may show after scaling.
        var picture = new Picture(8, 8, 4, Enumerable.Range(0, 64).SelectMany(i => i % 8 < 4 ? new byte[] { 255, 0, 0, 255 } : [0, 255, 0, 0]).ToArray());
        Assert.All(picture.Resize(3, 3).Pixels.Chunk(4), p => Assert.Equal(0, p[3] == 0 ? 0 : p[1]));
    }

    [Fact]
    public void Fit_within_keeps_the_shape_and_never_enlarges()
    {
        var picture = TestFiles.Gradient(300, 200);
        Assert.Equal((150, 100), Size(picture.FitWithin(150)));
        Assert.Same(picture, picture.FitWithin(300));
        Assert.Equal((50, 1), Size(TestFiles.Gradient(300, 1).FitWithin(50)));
    }

    [Fact]
    public void Crop_cuts_the_rectangle_and_checks_it()
    {
        var picture = TestFiles.Gradient(30, 20);
        var crop = picture.Crop(7, 5, 4, 3);
        Assert.Equal((4, 3), Size(crop));
        Assert.Equal(picture.Pixels.AsSpan(((6 * 30) + 7) * 3, 12).ToArray(), crop.Pixels.AsSpan(12, 12).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => picture.Crop(27, 0, 4, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => picture.Crop(-1, 0, 4, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => picture.Crop(int.MaxValue, 0, 4, 4));
    }

    [Fact]
    public void Flatten_blends_over_the_colour()
    {
        var picture = new Picture(3, 1, 4, [200, 0, 0, 255, 200, 0, 0, 0, 200, 0, 0, 128]);
        Assert.Equal([200, 0, 0, 255, 255, 255, 227, 127, 127], picture.Flatten(255, 255, 255).Pixels);
    }

    private static (int Width, int Height) Size(Picture picture) => (picture.Width, picture.Height);

    private static byte[] Line(byte[] values, int width, ResizeKernel kernel) =>
        new Picture(values.Length, 1, 3, values.SelectMany(v => new[] { v, v, v }).ToArray()).Resize(width, 1, kernel).Pixels.Chunk(3).Select(p => p[0]).ToArray();
}
