using System.Buffers.Binary;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ImageSearch.Compression;

/// <summary>CRC-32C (Castagnoli; RFC 3720, appendix B.4): reflected polynomial 0x82F63B78, initial value and final XOR 0xFFFFFFFF.</summary>
internal static class Crc32C
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(i =>
    {
        var c = (uint)i;
        for (var k = 0; k < 8; k++)
        {
            c = (c & 1) != 0 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
        }

        return c;
    })];

    public static uint Start => 0xFFFFFFFF;

    public static uint Finish(uint state) => ~state;

    public static uint Append(uint state, ReadOnlySpan<byte> data)
    {
        if (Sse42.X64.IsSupported || Crc32.Arm64.IsSupported)
        {
            for (; data.Length >= 8; data = data[8..])
            {
                var word = BinaryPrimitives.ReadUInt64LittleEndian(data);
                state = Sse42.X64.IsSupported ? (uint)Sse42.X64.Crc32(state, word) : Crc32.Arm64.ComputeCrc32C(state, word);
            }
        }

        return AppendTable(state, data);
    }

    /// <summary>The portable path; also what the tests hold against the hardware.</summary>
    internal static uint AppendTable(uint state, ReadOnlySpan<byte> data)
    {
        foreach (var b in data)
        {
            state = Table[(byte)(state ^ b)] ^ (state >> 8);
        }

        return state;
    }
}
