using ImageSearch.Imaging;

namespace ImageSearch.Captioner.Tests;

public static class TestPictures
{
    /// <summary>A JPEG file with a colour gradient.</summary>
    public static byte[] Jpeg(int width = 200, int height = 120, byte shade = 0)
    {
        var pixels = new byte[width * height * 3];
        for (var i = 0; i < width * height; i++)
        {
            pixels[3 * i] = (byte)(i % width * 255 / width);
            pixels[(3 * i) + 1] = (byte)(i / width * 255 / height);
            pixels[(3 * i) + 2] = shade;
        }

        return ImageFiles.Encode(new Picture(width, height, 3, pixels), ImageFormat.Jpeg, 90);
    }
}
