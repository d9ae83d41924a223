using System.Buffers.Binary;
using ImageSearch.Imaging;

namespace ImageSearch.Cli.Security;

/// <summary>Small sound pictures of every format that is read, and damaged copies of them. The same seed gives the same file.</summary>
public static class HostileFiles
{
    public static readonly IReadOnlyList<string> Formats = ["jpeg", "png", "webp", "avif", "gif", "tiff"];

    public static byte[] Sound(string format, int width = 48, int height = 32) => format switch
    {
        "jpeg" => ImageFiles.Encode(Sample(width, height), ImageFormat.Jpeg, 90),
        "png" => ImageFiles.Encode(Sample(width, height), ImageFormat.Png),
        "webp" => ImageFiles.Encode(Sample(width, height), ImageFormat.WebP, 90),
        "avif" => ImageFiles.Encode(Sample(width, height), ImageFormat.Avif, 60),
        "gif" => Gif(width, height, frames: 3),
        "tiff" => Tiff(Sample(width, height)),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "One of " + string.Join(", ", Formats)),
    };

    /// <summary>Changed bytes, flipped bits of the header, an end cut off, or a part doubled. PNG checksums are mended for three in four, else they would end nearly every try.</summary>
    public static byte[] Damage(byte[] sound, int seed)
    {
        var random = new Random(seed);
        var file = sound.ToArray();
        switch (random.Next(5))
        {
            case 0:
                for (var n = random.Next(1, 9); n > 0; n--)
                {
                    file[random.Next(file.Length)] = (byte)random.Next(256);
                }

                break;
            case 1:
                for (var n = random.Next(1, 5); n > 0; n--)
                {
                    file[random.Next(Math.Min(file.Length, 200))] ^= (byte)(1 << random.Next(8));
                }

                break;
            case 2:
                // Lengths and sizes are where the trouble is.
                BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(random.Next(Math.Max(1, file.Length - 4))), random.Next(3) switch { 0 => uint.MaxValue, 1 => int.MaxValue, _ => (uint)random.Next(70_000) });
                break;
            case 3:
                return file[..random.Next(file.Length)];
            default:
                var from = random.Next(file.Length);
                var length = random.Next(1, Math.Min(64, file.Length - from + 1));
                file = [.. file[..from], .. file[from..(from + length)], .. file[from..]];
                break;
        }

        if (random.Next(4) > 0)
        {
            MendPng(file);
        }

        return file;
    }

    /// <summary>GIF89a whose LZW codes are never longer than a byte: the table is cleared before it would grow.</summary>
    public static byte[] Gif(int width, int height, int frames)
    {
        using var gif = new MemoryStream();
        gif.Write("GIF89a"u8);
        gif.Write([(byte)width, (byte)(width >> 8), (byte)height, (byte)(height >> 8), 0xF6, 0, 0]);
        for (var i = 0; i < 128; i++)
        {
            gif.Write([(byte)(2 * i), (byte)(255 - i), (byte)i]);
        }

        for (var frame = 0; frame < frames; frame++)
        {
            gif.Write([0x21, 0xF9, 4, 0, 10, 0, 0, 0, 0x2C, 0, 0, 0, 0, (byte)width, (byte)(width >> 8), (byte)height, (byte)(height >> 8), 0, 7]);
            for (var at = 0; at < width * height; at += 100)
            {
                var n = Math.Min(100, (width * height) - at);
                gif.Write([(byte)(n + 1), 128]);
                for (var i = at; i < at + n; i++)
                {
                    gif.WriteByte((byte)((i + (7 * frame)) % 128));
                }
            }

            gif.Write([1, 129, 0]);
        }

        gif.WriteByte(0x3B);
        return gif.ToArray();
    }

    /// <summary>A PNG that claims a size and holds nearly no pixels; further chunks go before them.</summary>
    public static byte[] PngBomb(int width, int height, params (string Type, byte[] Data)[] chunks)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 2);
        byte[] file = [0x89, .. "PNG\r\n\u001a\n"u8, .. Chunk("IHDR", header), .. chunks.SelectMany(c => Chunk(c.Type, c.Data)),
            .. Chunk("IDAT", [0x78, 0x9C, 0x63, 0, 0, 0, 1, 0, 1]), .. Chunk("IEND", [])];
        MendPng(file);
        return file;
    }

    /// <summary>Puts segments behind the start of a JPEG, each body up to 65,533 bytes.</summary>
    public static byte[] WithSegments(byte[] jpeg, params (byte Marker, byte[] Body)[] segments) =>
        [.. jpeg[..2], .. segments.SelectMany(s => (byte[])[0xFF, s.Marker, (byte)((s.Body.Length + 2) >> 8), (byte)(s.Body.Length + 2), .. s.Body]), .. jpeg[2..]];

    private static Picture Sample(int width, int height)
    {
        var pixels = new byte[width * height * 3];
        var random = new Random(1);
        for (var i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)((i / 3 % width * 160 / width) + random.Next(60));
        }

        return new(width, height, 3, pixels);
    }

    /// <summary>Uncompressed RGB in one strip (TIFF 6.0, section 6).</summary>
    private static byte[] Tiff(Picture p)
    {
        (ushort Tag, ushort Type, uint Count, uint Value)[] entries =
        [
            (256, 3, 1, (uint)p.Width), (257, 3, 1, (uint)p.Height), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2),
            (273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, (uint)p.Height), (279, 4, 1, (uint)p.Pixels.Length), (284, 3, 1, 1),
        ];
        var file = new byte[140 + p.Pixels.Length];
        "II*\0"u8.CopyTo(file);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(4), 8);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(8), (ushort)entries.Length);
        for (var i = 0; i < entries.Length; i++)
        {
            var at = file.AsSpan(10 + (12 * i));
            BinaryPrimitives.WriteUInt16LittleEndian(at, entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], entries[i].Type);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], entries[i].Count);
            BinaryPrimitives.WriteUInt32LittleEndian(at[8..], entries[i].Value);
        }

        (file[134], file[136], file[138]) = (8, 8, 8);
        p.Pixels.CopyTo(file, 140);
        return file;
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        var chunk = new byte[12 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        System.Text.Encoding.ASCII.GetBytes(type).CopyTo(chunk, 4);
        data.CopyTo(chunk, 8);
        return chunk;
    }

    private static void MendPng(byte[] file)
    {
        if (file.Length < 8 || !file.AsSpan(1).StartsWith("PNG"u8))
        {
            return;
        }

        for (long at = 8; at + 12 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan((int)at));
            if (at + 12 + length > file.Length)
            {
                return;
            }

            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan((int)(at + 8 + length)), Crc32(file.AsSpan((int)at + 4, (int)length + 4)));
            at += 12 + length;
        }
    }

    private static uint Crc32(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var b in data)
        {
            crc ^= b;
            for (var k = 0; k < 8; k++)
            {
                crc = (crc & 1) != 0 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
            }
        }

        return ~crc;
    }
}
