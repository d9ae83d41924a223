using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Imaging;
using ImageSearch.Operator.Audits;
using RabbitMQ.Client;

namespace ImageSearch.Operator.Tests;

/// <summary>Each kind of gap is made on purpose, found, and repaired by the message or deletion that mends it.</summary>
public sealed class AuditTests(OperatorFixture fixture) : IClassFixture<OperatorFixture>
{
    private byte[] stream = [];
    private byte[] large = [];
    private int pictures;

    [Fact]
    public async Task Every_kind_of_gap_is_found_and_repaired_and_whole_pictures_are_left_alone()
    {
        using (var codec = LicCodec.Open(fixture.ModelsDirectory, threads: 1))
        {
            stream = codec.Encode(new Picture(32, 32, 3, new byte[32 * 32 * 3]));
            large = DamagedBehindItsPreview(codec);
        }

        var model = await new EmbeddingCatalog(fixture.Db).RegisterModelAsync("test/1", 4, null);
        var whole = await PictureAsync(model);
        var other = await PictureAsync(model);
        await fixture.Store.PutAsync(fixture.Upload, "unknown/a b+ü.png", [1, 2, 3], "image/png");
        await fixture.Store.DeleteAsync(fixture.Upload, (await PictureAsync(model)).Key);
        var changed = await PictureAsync(model);
        await fixture.Store.PutAsync(fixture.Upload, changed.Key, "other"u8.ToArray(), "image/png");
        var unencoded = await PictureAsync(model, bitstream: false);
        var lost = await PictureAsync(model);
        await fixture.Store.DeleteAsync(fixture.Derived, lost.Stream);
        var cut = await PictureAsync(model);
        await fixture.Store.PutAsync(fixture.Derived, cut.Stream, [1], "application/octet-stream");
        var flipped = await PictureAsync(model);
        await fixture.Store.PutAsync(fixture.Derived, flipped.Stream, [.. stream[..^1], (byte)~stream[^1]], "application/octet-stream");
        var undecodable = await PictureAsync(model, stream: "no .lic stream"u8.ToArray());
        var damagedMain = await PictureAsync(model, stream: large);
        var faceless = await PictureAsync(model);
        await fixture.Store.DeleteAsync(fixture.Derived, ObjectKeys.Thumbnail(faceless.Id));
        var unembedded = await PictureAsync(model, vector: false);
        var uncaptioned = await PictureAsync(model, texts: false);
        var unindexed = await PictureAsync(model, lexical: false);
        var orphan = ObjectKeys.Bitstream(ImageId.Of("nobody"u8), "lic-lot/1", 4);
        await fixture.Store.PutAsync(fixture.Derived, orphan, [1], "application/octet-stream");
        var superseded = ObjectKeys.Bitstream(whole.Id, "lic-lot/1", 7);
        await fixture.Store.PutAsync(fixture.Derived, superseded, [1], "application/octet-stream");
        await fixture.Store.PutAsync(fixture.Derived, ObjectKeys.BitstreamPrefix + "notes.txt", [1], "text/plain");
        await fixture.ExecuteAsync("INSERT INTO rejections (bucket, key, etag, code, reason) VALUES ('" + fixture.Upload + "', 'refused.txt', 'e', 'format', 'no picture')");
        await fixture.Store.PutAsync(fixture.Upload, "refused.txt", [7], "text/plain");
        await fixture.ExecuteAsync($"UPDATE rejections SET etag = '{(await fixture.Store.HeadAsync(fixture.Upload, "refused.txt"))!.ETag}'");

        var audit = (await fixture.PostAsync<AuditStarted>("/api/audits", new { deep = true, graceSeconds = 0 })).Audit;
        var report = await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<AuditReport>($"/api/audits/{audit}"), r => r.Audit.State == "done");
        var found = (await fixture.GetAsync<Finding[]>($"/api/audits/{audit}/findings?limit=500")).Select(f => (f.Kind, f.Key ?? f.Image.ToString())).ToHashSet();
        HashSet<(string, string?)> expected =
        [
            (FindingKinds.UploadUnknown, "unknown/a b+ü.png"), (FindingKinds.UploadMissing, "pictures/3.png"), (FindingKinds.UploadChanged, changed.Key),
            (FindingKinds.BitstreamMissing, unencoded.Image.ToString()), (FindingKinds.VectorMissing, unencoded.Image.ToString()), (FindingKinds.BitstreamObjectMissing, lost.Stream), (FindingKinds.BitstreamDamaged, cut.Stream),
            (FindingKinds.BitstreamDamaged, flipped.Stream), (FindingKinds.BitstreamDamaged, undecodable.Stream), (FindingKinds.BitstreamDamaged, damagedMain.Stream), (FindingKinds.ThumbnailMissing, ObjectKeys.Thumbnail(faceless.Id)), (FindingKinds.VectorMissing, unembedded.Image.ToString()),
            (FindingKinds.TextMissing, uncaptioned.Image.ToString()), (FindingKinds.LexicalMissing, unindexed.Image.ToString()),
            (FindingKinds.DerivedOrphan, orphan), (FindingKinds.DerivedOrphan, superseded), (FindingKinds.DerivedForeign, ObjectKeys.BitstreamPrefix + "notes.txt"),
        ];
        Assert.Equal(expected.Order(), found.Order());
        Assert.True(report.Audit.Checked > 40);
        Assert.Equal(report.Audit.StartedAt, await new AuditCatalog(fixture.Db).LastStartAsync());

        // Repair asks the owners of the data; young orphans stay.
        await fixture.PostAsync<AuditStarted>($"/api/audits/{audit}/repair", new { });
        await OperatorFixture.EventuallyAsync(() => fixture.GetAsync<AuditReport>($"/api/audits/{audit}"), r => r.Audit.State == "done");
        var requests = await RequestsAsync();
        Assert.Contains((unencoded.Image, "encode", false), requests);
        Assert.Contains((lost.Image, "encode", true), requests);
        Assert.Contains((cut.Image, "encode", true), requests);
        Assert.Contains((damagedMain.Image, "encode", true), requests);
        Assert.Contains((faceless.Image, "encode", true), requests);
        Assert.Contains((unembedded.Image, "embed", false), requests);
        Assert.DoesNotContain((unencoded.Image, "embed", false), requests);
        Assert.Contains((uncaptioned.Image, "caption", false), requests);
        Assert.Contains((unindexed.Image, "caption", true), requests);
        var events = await EventsAsync();
        Assert.Contains(("ObjectCreated:Put", "unknown/a b+ü.png"), events);
        Assert.Contains(("ObjectCreated:Put", changed.Key), events);
        Assert.Contains(("ObjectRemoved:Delete", "pictures/3.png"), events);
        Assert.NotNull(await fixture.Store.HeadAsync(fixture.Derived, orphan));
        Assert.NotNull(await fixture.Store.HeadAsync(fixture.Derived, other.Stream));
        Assert.Equal(2, (await fixture.GetAsync<Finding[]>($"/api/audits/{audit}/findings?open=true")).Length);
    }

    [Fact]
    public async Task Keys_beyond_the_basic_plane_are_compared_in_the_order_of_the_store()
    {
        // U+FF5E sorts before U+1F600 in UTF-8, behind it in UTF-16.
        string[] keys = ["z\uff5e", "z\U0001f600", "za"];
        Assert.Equal(["za", "z\uff5e", "z\U0001f600"], keys.Order(Utf8Order.Instance));
        var page = MergedPage<string>.Of([.. keys.Order(Utf8Order.Instance).Select(k => new Hosting.StoredObject(k, "", 1, default))], ["za", "z\U0001f600"], k => k, 3);
        Assert.Equal("z\uff5e", Assert.Single(page.OnlyStored).Key);
        Assert.Equal("z\U0001f600", page.Next);
        await Task.CompletedTask;
    }

    /// <summary>A large picture's stream with one bit of its main section flipped and the checksum made to fit: what search reads, the preview, is whole.</summary>
    private static byte[] DamagedBehindItsPreview(LicCodec codec)
    {
        var random = new Random(3);
        var pixels = new byte[800 * 64 * 3];
        random.NextBytes(pixels);
        var damaged = codec.Encode(new Picture(800, 64, 3, pixels));
        var header = LicStream.ReadHeader(damaged);
        damaged[header.HeaderBytes + header.PreviewBytes + (header.LatentBytes / 3)] ^= 16;
        var crc = uint.MaxValue;
        for (var i = 0; i < damaged.Length; i++)
        {
            crc = i is >= 9 and < 13 ? crc : BitOperations.Crc32C(crc, damaged[i]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(damaged.AsSpan(9), ~crc);
        codec.DecodeLatents(damaged);
        return damaged;
    }

    private async Task<(long Image, ImageId Id, string Key, string Stream)> PictureAsync(RegisteredModel model, bool bitstream = true, bool vector = true, bool texts = true, bool lexical = true, byte[]? stream = null)
    {
        var number = ++pictures;
        var content = Encoding.UTF8.GetBytes($"picture {number}");
        var (id, key) = (ImageId.Of(content), $"pictures/{number}.png");
        await fixture.Store.PutAsync(fixture.Upload, key, content, "image/png");
        var head = (await fixture.Store.HeadAsync(fixture.Upload, key))!;
        var (image, _, _) = await new ImageCatalog(fixture.Db).RegisterAsync(fixture.Upload, key, head.ETag, new(id, "png", 10, 10, content.Length, null));
        var streamKey = ObjectKeys.Bitstream(id, "lic-lot/1", 4);
        if (bitstream)
        {
            var bytes = stream ?? this.stream;
            await fixture.Store.PutAsync(fixture.Derived, streamKey, bytes, "application/octet-stream");
            await fixture.Store.PutAsync(fixture.Derived, ObjectKeys.Thumbnail(id), [1], "image/webp");
            await new BitstreamCatalog(fixture.Db).StoreAsync(new(image, "lic-lot/1", 4, streamKey, bytes.Length, SHA256.HashData(bytes), ObjectKeys.Thumbnail(id), 1));
        }

        if (bitstream && vector)
        {
            await new EmbeddingCatalog(fixture.Db).StoreAsync(model, [(image, [1, 0, 0, number])]);
        }

        if (texts)
        {
            await new CaptionCatalog(fixture.Db).StoreAsync(new(image, "test", "1", [new(0, 0, 0, 1, 1, ["tag"], "a caption")]), (_, _) => Task.CompletedTask);
            if (lexical)
            {
                await fixture.ExecuteAsync($"INSERT INTO lexical_documents (image_id, length, text) VALUES ({image}, 1, 'tag')");
            }
        }

        return (image, id, key, streamKey);
    }

    private async Task<List<(long, string, bool)>> RequestsAsync()
    {
        List<(long, string, bool)> requests = [];
        await foreach (var json in DrainAsync("codec"))
        {
            var m = json["message"]!;
            requests.Add((m["image"]!.GetValue<long>(), m["stage"]!.GetValue<string>(), m["force"]!.GetValue<bool>()));
        }

        return requests;
    }

    private async Task<List<(string, string)>> EventsAsync()
    {
        List<(string, string)> events = [];
        await foreach (var json in DrainAsync("ingest-s3-events"))
        {
            var record = json["Records"]![0]!;
            Assert.Equal("ceph:s3", record["eventSource"]!.GetValue<string>());
            events.Add((record["eventName"]!.GetValue<string>(), record["s3"]!["object"]!["key"]!.GetValue<string>()));
        }

        return events;
    }

    private async IAsyncEnumerable<JsonNode> DrainAsync(string queue)
    {
        while (await fixture.Channel.BasicGetAsync(queue, autoAck: true) is { } message)
        {
            yield return JsonNode.Parse(message.Body.Span)!;
        }
    }
}
