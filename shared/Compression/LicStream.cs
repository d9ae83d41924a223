using System.Buffers.Binary;

namespace ImageSearch.Compression;

/// <summary>What the head of a .lic stream says.</summary>
/// <param name="Width">Pixels.</param>
/// <param name="Height">Pixels.</param>
/// <param name="Channels">3, or 4 with alpha.</param>
/// <param name="ModelId">Number of the codec model, <c>codecId</c> in its manifest.</param>
/// <param name="Quality">1 to 8.</param>
/// <param name="Preview">Sizes of the embedded preview, if there is one.</param>
/// <param name="HeaderBytes">Everything before the first section.</param>
/// <param name="PreviewBytes">Entropy-coded preview.</param>
/// <param name="LatentBytes">Entropy-coded latents.</param>
/// <param name="AlphaBytes">Compressed alpha plane.</param>
public readonly record struct LicHeader(
    int Width, int Height, int Channels, int ModelId, float Quality, LicPreview? Preview, int HeaderBytes, int PreviewBytes, int LatentBytes, int AlphaBytes)
{
    public bool HasAlpha => Channels == 4;

    public bool HasPreview => Preview is not null;

    /// <summary>Rate that the quality stands for, in 1/256 of a rate point.</summary>
    internal int Rate => LicStream.RateOf(Quality);

    public long TotalBytes => (long)HeaderBytes + PreviewBytes + LatentBytes + AlphaBytes;
}

/// <summary>The small second coding of a large picture that search reads.</summary>
public readonly record struct LicPreview(int Width, int Height, float Quality);

/// <summary>The container, docs/bitstream.md section 2: reading trusts nothing, writing mirrors it.</summary>
public static class LicStream
{
    internal const int MaxSide = 65535;
    private const int Magic = 'L' | ('I' << 8) | ('C' << 16);
    private const byte Version = 1;
    private const byte AlphaFlag = 1;
    private const byte PreviewFlag = 2;

    /// <summary>Magic and version, flags, model, quality, CRC: what stands at fixed places.</summary>
    private const int FixedBytes = 13;

    /// <summary>Reads the header alone; needs only the first bytes of a stream and does not check its CRC.</summary>
    /// <exception cref="LicFormatException">Not a .lic stream, or a header that no encoder writes.</exception>
    public static LicHeader ReadHeader(ReadOnlySpan<byte> stream)
    {
        if (stream.Length < FixedBytes)
        {
            throw stream.Length >= 3 && (stream[0] | (stream[1] << 8) | (stream[2] << 16)) != Magic ? NotLic() : Cut();
        }

        var head = BinaryPrimitives.ReadUInt32LittleEndian(stream);
        if ((head & 0xFFFFFF) != Magic)
        {
            throw NotLic();
        }

        if (head >> 24 != Version)
        {
            throw new LicFormatException(LicError.UnsupportedVersion, $"The stream has version {head >> 24} of the format; this program reads version {Version}.");
        }

        var flags = stream[4];
        var model = BinaryPrimitives.ReadUInt16LittleEndian(stream[5..]);
        var quality = BinaryPrimitives.ReadUInt16LittleEndian(stream[7..]);
        if ((flags & ~(AlphaFlag | PreviewFlag)) != 0)
        {
            throw new LicFormatException(LicError.Header, $"The flags {flags:x2} are not defined.");
        }

        var at = FixedBytes;
        var (width, height) = ReadSize(stream, ref at);
        LicPreview? preview = null;
        var previewBytes = 0;
        if ((flags & PreviewFlag) != 0)
        {
            var size = ReadSize(stream, ref at);
            preview = new(size.Width, size.Height, QualityOf((int)ReadVarint(stream, ref at)));
            previewBytes = ReadLength(stream, ref at);
        }

        var latentBytes = ReadLength(stream, ref at);
        var alphaBytes = (flags & AlphaFlag) != 0 ? ReadLength(stream, ref at) : 0;
        return new(width, height, (flags & AlphaFlag) != 0 ? 4 : 3, model, QualityOf(quality), preview, at, previewBytes, latentBytes, alphaBytes);
    }

    /// <summary>Reads the header and checks length and CRC-32C of the whole stream.</summary>
    internal static LicHeader ReadChecked(ReadOnlySpan<byte> stream)
    {
        var header = ReadHeader(stream);
        if (header.TotalBytes > stream.Length)
        {
            throw new LicFormatException(LicError.Truncated, $"The stream has {stream.Length} bytes, its header speaks of {header.TotalBytes}.");
        }

        if (header.TotalBytes < stream.Length)
        {
            throw new LicFormatException(LicError.Corrupt, $"{stream.Length - header.TotalBytes} bytes follow the end of the stream.");
        }

        return Checksum(stream) == BinaryPrimitives.ReadUInt32LittleEndian(stream[9..]) ? header
            : throw new LicFormatException(LicError.Checksum, "The CRC-32C differs: the stream was damaged.");
    }

    internal static byte[] Write(int width, int height, int modelId, float quality, (LicPreview Size, byte[] Bytes)? preview, byte[] latents, byte[]? alpha)
    {
        var head = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(head, Magic | (uint)(Version << 24));
        head[4] = (byte)((alpha is null ? 0 : AlphaFlag) | (preview is null ? 0 : PreviewFlag));
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(5), (ushort)modelId);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(7), (ushort)CodeOf(quality));
        var at = FixedBytes;
        WriteVarint(head, ref at, width);
        WriteVarint(head, ref at, height);
        if (preview is { } p)
        {
            WriteVarint(head, ref at, p.Size.Width);
            WriteVarint(head, ref at, p.Size.Height);
            WriteVarint(head, ref at, CodeOf(p.Size.Quality));
            WriteVarint(head, ref at, p.Bytes.Length);
        }

        WriteVarint(head, ref at, latents.Length);
        if (alpha is not null)
        {
            WriteVarint(head, ref at, alpha.Length);
        }

        byte[] stream = [.. head.AsSpan(0, at), .. preview is { } q ? q.Bytes : [], .. latents, .. alpha ?? []];
        WriteChecksum(stream);
        return stream;
    }

    /// <summary>Sets the CRC field of a stream. The tests use it to build damaged streams whose checksum holds.</summary>
    internal static void WriteChecksum(Span<byte> stream) => BinaryPrimitives.WriteUInt32LittleEndian(stream[9..], Checksum(stream));

    /// <summary>Rate 0..1280 (1/256 of a rate point) of a quality 1..8, rounded to 1/256 first as the stream has it.</summary>
    internal static int RateOf(float quality) => (((CodeOf(quality) - 256) * EntropyModel.MaxRate) + 896) / 1792;

    private static int CodeOf(float quality) => (int)MathF.Round(quality * 256);

    private static float QualityOf(int code) => code is >= 256 and <= 2048 ? code / 256f
        : throw new LicFormatException(LicError.Header, $"A quality of {code}/256 is outside 1 to 8.");

    /// <summary>Over everything but the four bytes of the field itself.</summary>
    private static uint Checksum(ReadOnlySpan<byte> stream) =>
        Crc32C.Finish(Crc32C.Append(Crc32C.Append(Crc32C.Start, stream[..9]), stream[FixedBytes..]));

    private static (int Width, int Height) ReadSize(ReadOnlySpan<byte> stream, ref int at)
    {
        var (width, height) = (ReadVarint(stream, ref at), ReadVarint(stream, ref at));
        if (width is 0 or > MaxSide || height is 0 or > MaxSide)
        {
            throw new LicFormatException(LicError.Header, $"A picture of {width} x {height} is outside 1 to {MaxSide} a side.");
        }

        return (long)width * height <= LicCodec.MaxPixels ? ((int)width, (int)height)
            : throw new LicFormatException(LicError.TooLarge, $"A picture of {width} x {height} has more than {LicCodec.MaxPixels} pixels.");
    }

    private static int ReadLength(ReadOnlySpan<byte> stream, ref int at)
    {
        var length = ReadVarint(stream, ref at);
        return length <= int.MaxValue / 4 ? (int)length : throw new LicFormatException(LicError.Header, $"A section of {length} bytes is impossible.");
    }

    /// <summary>Seven bits a byte, least significant first, at most five bytes.</summary>
    private static uint ReadVarint(ReadOnlySpan<byte> stream, ref int at)
    {
        var v = 0UL;
        for (var shift = 0; shift < 35; shift += 7)
        {
            if (at >= stream.Length)
            {
                throw Cut();
            }

            var b = stream[at++];
            v |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return v <= uint.MaxValue ? (uint)v : TooLong();
            }
        }

        return TooLong();

        static uint TooLong() => throw new LicFormatException(LicError.Header, "A number in the header is longer than 32 bits.");
    }

    private static void WriteVarint(Span<byte> to, ref int at, int value)
    {
        var v = (uint)value;
        for (; v >= 0x80; v >>= 7)
        {
            to[at++] = (byte)(v | 0x80);
        }

        to[at++] = (byte)v;
    }

    private static LicFormatException NotLic() => new(LicError.NotLic, "The bytes do not start with LIC: not a .lic stream.");

    private static LicFormatException Cut() => new(LicError.Truncated, "The stream ends within its header.");
}
