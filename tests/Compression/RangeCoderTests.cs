namespace ImageSearch.Compression.Tests;

public class RangeCoderTests
{
    [Fact]
    public void Symbols_escapes_and_long_runs_come_back()
    {
        var tables = TestModel.Entropy.ScaleTables;
        for (var seed = 0; seed < 30; seed++)
        {
            var random = new Random(seed);
            var symbols = Enumerable.Range(0, 3000).Select(_ => (Table: random.Next(64), Value: random.Next(20) switch
            {
                0 => random.Next(-3072, 3073),
                < 8 => 0,
                _ => random.Next(-3, 4),
            })).ToList();
            var encoder = new RangeEncoder();
            symbols.ForEach(s => tables.Encode(encoder, s.Table, s.Value));
            var bytes = encoder.Finish();
            var decoder = new RangeDecoder(bytes);
            foreach (var (table, value) in symbols)
            {
                Assert.Equal(value, tables.Decode(ref decoder, table));
            }

            decoder.Finish();
        }
    }

    [Fact]
    public void Carries_run_through_bytes_of_ones()
    {
        // Intervals at the very top of the range make runs of 0xFF; a final one below them forces or forbids the carry.
        for (var length = 1; length < 40; length++)
        {
            for (var tail = 0; tail < 4; tail++)
            {
                var encoder = new RangeEncoder();
                encoder.Put(0x7FFF, 1, 16);
                for (var i = 0; i < length; i++)
                {
                    encoder.Put(0xFFFF, 1, 16);
                }

                encoder.Put((uint)tail, 1, 2);
                var decoder = new RangeDecoder(encoder.Finish());
                Assert.Equal(0x7FFFu, decoder.Peek(16));
                decoder.Take(0x7FFF, 1);
                for (var i = 0; i < length; i++)
                {
                    Assert.Equal(0xFFFFu, decoder.Peek(16));
                    decoder.Take(0xFFFF, 1);
                }

                Assert.Equal((uint)tail, decoder.Peek(2));
                decoder.Take((uint)tail, 1);
                decoder.Finish();
            }
        }
    }

    [Fact]
    public void Reading_on_behind_the_end_stops()
    {
        var error = Assert.Throws<LicFormatException>(() =>
        {
            var decoder = new RangeDecoder([1, 2, 3]);
            for (var i = 0; i < 100; i++)
            {
                decoder.Take(decoder.Peek(8), 1);
            }
        });
        Assert.Equal(LicError.Truncated, error.Reason);
    }

    [Theory]
    [InlineData(new ushort[] { 65535 })]
    [InlineData(new ushort[] { 0, 65535, 1 })]
    [InlineData(new ushort[] { 30000, 30000 })]
    [InlineData(new ushort[] { 40000, 40000 })]
    public void A_table_that_is_no_distribution_is_refused(ushort[] frequencies) =>
        Assert.Throws<Models.ModelException>(() => new FrequencyTables([(0, frequencies)]));

    [Fact]
    public void Checksum_is_Castagnoli_in_hardware_and_by_table()
    {
        var data = "123456789"u8;
        Assert.Equal(0xE3069283u, Crc32C.Finish(Crc32C.Append(Crc32C.Start, data)));
        Assert.Equal(0xE3069283u, Crc32C.Finish(Crc32C.AppendTable(Crc32C.Start, data)));
    }
}
