using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Cli.Security;
using ImageSearch.Codec;
using ImageSearch.Compression;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Imaging;
using ImageSearch.Ingest;
using ImageSearch.Models;
using ImageSearch.Tests.Servers;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>Ingest and codec in one process: real database, real store, their own consumers, messages in memory.</summary>
public sealed class IngestAndCodec : IAsyncLifetime
{
    private readonly TestBuckets buckets = TestServers.Buckets();
    private TestDatabase database = null!;
    private ServiceProvider services = null!;

    public ObjectStore Store => services.GetRequiredService<ObjectStore>();

    public ImageCatalog Images => services.GetRequiredService<ImageCatalog>();

    public BitstreamCatalog Bitstreams => services.GetRequiredService<BitstreamCatalog>();

    public LicCodec Codec => services.GetRequiredService<LicCodec>();

    public async Task InitializeAsync()
    {
        database = await TestServers.DatabaseAsync();
        var db = NpgsqlDataSource.Create(database.ConnectionString);
        await Migrator.MigrateAsync(db);
        var (uploads, derived) = (await buckets.CreateAsync("images"), await buckets.CreateAsync("derived"));
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddSingleton(TimeProvider.System);
        collection.AddSingleton(_ => db);
        collection.AddSingleton(_ => new ObjectStore(new() { Endpoint = buckets.Endpoint, AccessKey = buckets.AccessKey, SecretKey = buckets.SecretKey, UploadBucket = uploads, DerivedBucket = derived }));
        collection.AddSingleton(Options.Create(new IngestOptions { MaxPixels = 1_000_000 }));
        collection.AddSingleton(Options.Create(new CodecOptions { Quality = 2 }));
        collection.AddSingleton(Options.Create(new ModelsOptions { Directory = TestServers.ModelsDirectory, Threads = 1 }));
        collection.AddSingleton(p => LicCodec.Open(p.GetRequiredService<IOptions<ModelsOptions>>().Value));
        collection.AddSingleton(new PixelBudget(24_000_000));
        collection.AddSingleton<ImageCatalog>();
        collection.AddSingleton<BitstreamCatalog>();
        collection.AddSingleton<PictureEncoder>();
        collection.AddScoped<ObjectSync>();
        collection.AddMassTransit(x =>
        {
            x.AddConsumer<ImageIngestedConsumer>();
            x.AddConsumer<RejectedLaterConsumer>();
            x.AddConsumer<ImageRemovedConsumer>();
            x.UsingInMemory((context, cfg) => cfg.ConfigureEndpoints(context));
        });
        services = collection.BuildServiceProvider();
        await services.GetRequiredService<IBusControl>().StartAsync();
    }

    public async Task DisposeAsync()
    {
        await services.GetRequiredService<IBusControl>().StopAsync();
        await services.DisposeAsync();
        await database.DisposeAsync();
        await buckets.DisposeAsync();
    }

    public async Task<SyncResult> PutAsync(string key, byte[] content)
    {
        await Store.PutAsync(Store.Options.UploadBucket, key, content, "application/octet-stream");
        await using var scope = services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<ObjectSync>().SyncAsync(key);
    }

    /// <summary>Waits until the key is encoded (null) or rejected (the rejection).</summary>
    public async Task<Rejection?> SettledAsync(string key)
    {
        var bucket = Store.Options.UploadBucket;
        for (var tries = 0; tries < 600; tries++)
        {
            if (await Images.FindRejectionAsync(bucket, key) is { } rejection)
            {
                return rejection;
            }

            if (await Images.FindObjectAsync(bucket, key) is { } known && await Bitstreams.FindAsync(known.Image) is not null)
            {
                return null;
            }

            await Task.Delay(200);
        }

        throw new TimeoutException($"{key} was neither encoded nor rejected in two minutes.");
    }

    /// <summary>Bitstream and thumbnail of an encoded key.</summary>
    public async Task<(byte[] Stream, byte[] Thumbnail)> DerivedAsync(string key)
    {
        var known = (await Images.FindObjectAsync(Store.Options.UploadBucket, key))!;
        var bitstream = (await Bitstreams.FindAsync(known.Image))!;
        return ((await Store.GetAsync(Store.Options.DerivedBucket, bitstream.Key))!.Value.Content, (await Store.GetAsync(Store.Options.DerivedBucket, bitstream.ThumbnailKey))!.Value.Content);
    }
}

public sealed class HostilePicturesTests(IngestAndCodec pipeline) : IClassFixture<IngestAndCodec>
{
    private const int FilesPerFormat = 300;

    public static TheoryData<string> Formats => [.. HostileFiles.Formats];

    [Theory, MemberData(nameof(Formats))]
    public async Task Each_damaged_file_is_encoded_or_rejected_with_a_reason(string format)
    {
        var sound = HostileFiles.Sound(format);
        await pipeline.PutAsync($"sound.{format}", sound);
        Assert.Null(await pipeline.SettledAsync($"sound.{format}"));

        var (encoded, rejected) = (0, 0);
        await Parallel.ForAsync(0, FilesPerFormat, new ParallelOptions { MaxDegreeOfParallelism = 6 }, async (seed, _) =>
            await pipeline.PutAsync($"damaged/{seed}.{format}", HostileFiles.Damage(sound, seed)));
        for (var seed = 0; seed < FilesPerFormat; seed++)
        {
            if (await pipeline.SettledAsync($"damaged/{seed}.{format}") is { } rejection)
            {
                Assert.True(Enum.TryParse<PictureError>(rejection.Code, out var _), rejection.Code);
                Assert.True(rejection.Reason.Length > 20, rejection.Reason);
                rejected++;
            }
            else
            {
                encoded++;
            }
        }

        Assert.Equal(FilesPerFormat, encoded + rejected);
        Assert.True(rejected > 50, $"{rejected} of {FilesPerFormat} {format} files were rejected");
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "bomb.png", nameof(PictureError.TooLarge) },
        { "bomb.gif", nameof(PictureError.TooLarge) },
        { "frames.png", nameof(PictureError.TooManyFrames) },
        { "frames.gif", nameof(PictureError.TooManyFrames) },
        { "drawing.svg", nameof(PictureError.UnsupportedFormat) },
        { "paper.pdf", nameof(PictureError.UnsupportedFormat) },
        { "script.jpg", nameof(PictureError.NotAPicture) },
        { "pdf-in-front-of-a.jpg", nameof(PictureError.UnsupportedFormat) },
        { "empty.jpg", nameof(PictureError.NotAPicture) },
    };

    [Theory, MemberData(nameof(Refused))]
    public async Task Bombs_and_other_kinds_of_files_are_rejected(string key, string code)
    {
        Assert.Equal(SyncResult.Rejected, await pipeline.PutAsync(key, Content(key)));
        Assert.Equal(code, (await pipeline.SettledAsync(key))!.Code);
    }

    [Fact]
    public async Task A_jpeg_with_a_program_behind_it_and_megabytes_of_metadata_is_only_its_picture()
    {
        var (icc, exif) = ("ICC_PROFILE\0"u8.ToArray(), "Exif\0\0II*\0"u8.ToArray());
        var segments = Enumerable.Range(1, 100).SelectMany(i => ((byte, byte[])[])[(0xE2, [.. icc, (byte)i, 100, .. new byte[60_000]]), (0xE1, [.. exif, .. new byte[60_000]])]);
        byte[] file = [.. HostileFiles.WithSegments(HostileFiles.Sound("jpeg"), [.. segments]), .. "PK\u0003\u0004<script>alert(1)</script>%PDF-1.7"u8];
        await pipeline.PutAsync("polyglot.jpg", file);
        Assert.Null(await pipeline.SettledAsync("polyglot.jpg"));
        var (stream, thumbnail) = await pipeline.DerivedAsync("polyglot.jpg");
        Assert.True(stream.Length + thumbnail.Length < 20_000);
        Assert.DoesNotContain("script", Encoding.Latin1.GetString([.. stream, .. thumbnail]));
    }

    [Fact]
    public async Task Where_a_picture_was_taken_is_in_nothing_that_is_served()
    {
        // IFD0 {GPS pointer, Make "SecretCam"}, GPS IFD {LatitudeRef "N"}; XMP and a comment name the place too.
        var exif = new byte[80];
        "Exif\0\0II*\0\u0008\0\0\0\u0002\0"u8.CopyTo(exif);
        ((byte[])[0x0F, 0x01, 2, 0, 10, 0, 0, 0, 50, 0, 0, 0, 0x25, 0x88, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0]).CopyTo(exif, 16);
        ((byte[])[1, 0, 1, 0, 2, 0, 2, 0, 0, 0, (byte)'N', 0, 0, 0]).CopyTo(exif, 44);
        "SecretCam\0"u8.CopyTo(exif.AsSpan(56));
        var xmp = Encoding.ASCII.GetBytes("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><exif:GPSLatitude>52,31.2N</exif:GPSLatitude></x:xmpmeta>");
        var file = HostileFiles.WithSegments(HostileFiles.Sound("jpeg", 64, 64), (0xE1, exif), (0xE1, xmp), (0xFE, "SecretPlace"u8.ToArray()));
        await pipeline.PutAsync("located.jpg", file);
        Assert.Null(await pipeline.SettledAsync("located.jpg"));

        var (stream, thumbnail) = await pipeline.DerivedAsync("located.jpg");
        var picture = pipeline.Codec.Decode(stream);
        byte[][] served = [stream, thumbnail, .. Enum.GetValues<ImageFormat>().Where(f => f is ImageFormat.Jpeg or ImageFormat.WebP or ImageFormat.Png or ImageFormat.Avif).Select(f => ImageFiles.Encode(picture, f))];
        Assert.All(served, bytes =>
        {
            var text = Encoding.Latin1.GetString(bytes);
            Assert.All((string[])["Secret", "GPS", "xmpmeta", "Exif\0"], word => Assert.DoesNotContain(word, text, StringComparison.Ordinal));
        });
    }

    private static byte[] Content(string key)
    {
        var frames = new byte[8];
        frames[2] = 0xC3;
        var gif = HostileFiles.Gif(8, 8, 1);
        switch (key)
        {
            case "bomb.png":
                return HostileFiles.PngBomb(65_535, 65_535);
            case "bomb.gif":
                // The size of the screen and of the frame.
                var frame = gif.AsSpan().IndexOf((byte[])[0x2C, 0, 0, 0, 0]);
                gif.AsSpan(6, 4).Fill(0xFF);
                gif.AsSpan(frame + 5, 4).Fill(0xFF);
                return gif;
            case "frames.png":
                return HostileFiles.PngBomb(8, 8, ("acTL", frames));
            case "frames.gif":
                return HostileFiles.Gif(2, 2, 5000);
            case "drawing.svg":
                return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><image href=\"file:///etc/passwd\"/></svg>"u8.ToArray();
            case "paper.pdf":
                return "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj"u8.ToArray();
            case "script.jpg":
                return "#!/bin/sh\necho this is no picture\n"u8.ToArray();
            case "pdf-in-front-of-a.jpg":
                return [.. "%PDF-1.7\n"u8, .. HostileFiles.Sound("jpeg")];
            default:
                return [];
        }
    }
}
