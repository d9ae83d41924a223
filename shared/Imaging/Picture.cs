namespace ImageSearch.Imaging;

/// <summary>Pixels in memory: 8-bit sRGB, interleaved, row-major, top row first, orientation already applied.</summary>
/// <param name="Width">Pixels, 1 or more.</param>
/// <param name="Height">Pixels, 1 or more.</param>
/// <param name="Channels">3 (RGB) or 4 (RGB + straight alpha).</param>
/// <param name="Pixels">Width * Height * Channels bytes.</param>
public sealed record Picture(int Width, int Height, int Channels, byte[] Pixels)
{
    public int Channels { get; } = Channels is 3 or 4 ? Channels : throw new ArgumentOutOfRangeException(nameof(Channels), Channels, "3 or 4");

    public byte[] Pixels { get; } = Pixels.LongLength == (long)Width * Height * Channels
        ? Pixels : throw new ArgumentException($"{Pixels.Length} bytes are not {Width} x {Height} x {Channels}", nameof(Pixels));
}
