using System.Buffers.Binary;
using ImageSearch.Imaging.Native;

namespace ImageSearch.Imaging.Tests;

/// <summary>Files made on the spot with libvips itself, some then altered by hand.</summary>
internal static class TestFiles
{
    public static readonly string[] Formats = ["jpeg", "png", "webp", "avif", "gif", "tiff"];

    /// <summary>Smooth colours with a red top left and a blue bottom right corner.</summary>
    public static Picture Gradient(int width, int height, int channels = 3)
    {
        var pixels = new byte[width * height * channels];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var i = ((y * width) + x) * channels;
                var t = (x + y) / (double)Math.Max(1, width + height - 2);
                pixels[i] = (byte)(255 * (1 - t));
                pixels[i + 1] = (byte)(120 * x / (double)width);
                pixels[i + 2] = (byte)(255 * t);
                if (channels == 4)
                {
                    pixels[i + 3] = (byte)(x * 255 / Math.Max(1, width - 1));
                }
            }
        }

        return new Picture(width, height, channels, pixels);
    }

    public static byte[] Make(string format, Picture picture) => format switch
    {
        "gif" => Save(picture, "gifsave_buffer"),
        "tiff" => Save(picture, "tiffsave_buffer", ("compression", "lzw")),
        "webp" => Save(picture, "webpsave_buffer", ("lossless", "true")),
        "avif" => Save(picture, "heifsave_buffer", ("compression", "av1"), ("Q", "95"), ("effort", "0")),
        "jpeg" => Save(picture, "jpegsave_buffer", ("Q", "95"), ("subsample-mode", "off")),
        _ => Save(picture, "pngsave_buffer"),
    };

    public static byte[] Save(Picture picture, string saver, params (string Name, string Value)[] options) => Save(picture, i => new VipsOperation("copy").Set("in", i).Image()!, saver, options);

    public static unsafe byte[] Save(Picture picture, Func<VipsImage, VipsImage> change, string saver, params (string Name, string Value)[] options)
    {
        fixed (byte* data = picture.Pixels)
        {
            Vips.EnsureStarted();
            using var raw = new VipsImage(Vips.ImageFromMemory(data, (nuint)picture.Pixels.Length, picture.Width, picture.Height, picture.Channels, 0));
            using var image = new VipsOperation("copy").Set("in", raw).Set("interpretation", "srgb").Image()!;
            using var changed = change(image);
            var save = new VipsOperation(saver).Set("in", changed);
            foreach (var (name, value) in options)
            {
                save.Set(name, value);
            }

            return save.Bytes() ?? throw new InvalidOperationException(Vips.TakeError());
        }
    }

    public static VipsImage To(VipsImage image, string space) => new VipsOperation("colourspace").Set("in", image).Set("space", space).Image()!;

    /// <summary>Puts an EXIF segment with orientation, time and UTC offset right after the SOI of a JPEG.</summary>
    public static byte[] WithExif(byte[] jpeg, int orientation, string? taken = null, string? offset = null)
    {
        // TIFF little-endian: IFD0 {orientation, pointer to the Exif IFD}, Exif IFD {DateTimeOriginal, OffsetTimeOriginal}.
        var tiff = new byte[120];
        "II*\0"u8.CopyTo(tiff);
        U32(4, 8);
        U16(8, 2);
        Entry(10, 0x0112, 3, 1, (uint)orientation);
        Entry(22, 0x8769, 4, 1, 38);
        var entries = (taken is null ? 0 : 1) + (offset is null ? 0 : 1);
        U16(38, (ushort)entries);
        var at = 40;
        if (taken is not null)
        {
            Entry(at, 0x9003, 2, 20, 80);
            System.Text.Encoding.ASCII.GetBytes(taken).CopyTo(tiff, 80);
            at += 12;
        }

        if (offset is not null)
        {
            Entry(at, 0x9011, 2, 7, 104);
            System.Text.Encoding.ASCII.GetBytes(offset).CopyTo(tiff, 104);
        }

        var segment = new byte[4 + 6 + tiff.Length];
        segment[0] = 0xFF;
        segment[1] = 0xE1;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), (ushort)(segment.Length - 2));
        "Exif\0\0"u8.CopyTo(segment.AsSpan(4));
        tiff.CopyTo(segment, 10);
        return [.. jpeg[..2], .. segment, .. jpeg[2..]];

        void U16(int o, ushort v) => BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(o), v);
        void U32(int o, uint v) => BinaryPrimitives.WriteUInt32LittleEndian(tiff.AsSpan(o), v);
        void Entry(int o, ushort tag, ushort type, uint count, uint value)
        {
            U16(o, tag);
            U16(o + 2, type);
            U32(o + 4, count);
            U32(o + 8, value);
        }
    }

    /// <summary>A PNG that claims a size and has one tiny IDAT; further chunks go before it.</summary>
    public static byte[] PngBomb(int width, int height, params (string Type, byte[] Data)[] chunks)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 2);
        byte[] idat = [0x78, 0x9C, 0x63, 0, 0, 0, 1, 0, 1];
        return [0x89, .. "PNG\r\n\u001a\n"u8, .. Chunk("IHDR", header), .. chunks.SelectMany(c => Chunk(c.Type, c.Data)), .. Chunk("IDAT", idat), .. Chunk("IEND", [])];
    }

    /// <summary>Rewrites the CRC of every chunk that lies within the file.</summary>
    public static void MendPngChecksums(byte[] file)
    {
        for (long at = 8; at + 12 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan((int)at));
            if (at + 12 + length > file.Length)
            {
                return;
            }

            var body = file.AsSpan((int)at + 4, (int)length + 4);
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan((int)at + 8 + (int)length), Crc32(body));
            at += 12 + length;
        }
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        var chunk = new byte[12 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        System.Text.Encoding.ASCII.GetBytes(type).CopyTo(chunk, 4);
        data.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc32(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
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
