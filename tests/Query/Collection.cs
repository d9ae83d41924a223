using Amazon.S3.Model;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Contracts;
using ImageSearch.Imaging;
using Npgsql;

namespace ImageSearch.Query.Tests;

/// <summary>Puts pictures into catalogue and store the way that the services of the pipeline do.</summary>
internal sealed class Collection(NpgsqlDataSource db, Amazon.S3.IAmazonS3 s3, string uploads, string derived)
{
    private readonly LexicalIndex lexical = new(db, new LexicalOptions());

    public RegisteredModel Model { get; private set; } = null!;

    public async Task PrepareAsync()
    {
        await Migrator.MigrateAsync(db);
        Model = await new EmbeddingCatalog(db).RegisterModelAsync(WordModel.Name, WordModel.Dimensions, null);
    }

    /// <param name="shows">Words of the vector.</param>
    /// <param name="tags">Tags that the tagger gave.</param>
    /// <param name="name">Words of the file name, which people wrote.</param>
    public async Task<ImageId> AddAsync(
        string key, string shows, string[]? tags = null, string name = "", (byte R, byte G, byte B)? colour = null, int width = 320, int height = 200,
        DateTimeOffset? taken = null, string captioner = "tagger:words/1", string? caption = null, bool embedded = true)
    {
        var picture = Plain(width, height, colour ?? (90, 120, 150), key);
        var original = ImageFiles.Encode(picture, ImageFormat.Jpeg);
        var id = ImageId.Of(original);
        await s3.PutObjectAsync(new PutObjectRequest { BucketName = uploads, Key = key, InputStream = new MemoryStream(original), UseChunkEncoding = false });
        var (image, _, _) = await new ImageCatalog(db).RegisterAsync(uploads, key, "etag", new NewImage(id, "jpeg", width, height, original.Length, taken));

        // The renderer is tested here, the codec elsewhere: PNG stands in for the stream.
        var stream = ImageFiles.Encode(picture, ImageFormat.Png);
        var (streamKey, thumbnailKey) = (ObjectKeys.Bitstream(id, "png/1", 4), ObjectKeys.Thumbnail(id));
        await s3.PutObjectAsync(new PutObjectRequest { BucketName = derived, Key = streamKey, InputStream = new MemoryStream(stream), UseChunkEncoding = false });
        var thumbnail = ImageFiles.Encode(picture.FitWithin(160), ImageFormat.WebP);
        await s3.PutObjectAsync(new PutObjectRequest { BucketName = derived, Key = thumbnailKey, InputStream = new MemoryStream(thumbnail), UseChunkEncoding = false });
        await new BitstreamCatalog(db).StoreAsync(new(image, "png/1", 4, streamKey, stream.Length, System.Security.Cryptography.SHA256.HashData(stream), thumbnailKey, 1));
        if (embedded)
        {
            await new EmbeddingCatalog(db).StoreAsync(Model, [(image, WordModel.Vector(shows))]);
        }

        tags ??= [];
        caption ??= string.Join(", ", tags);
        var crop = new RegionText(1, 0.5f, 0, 0.5f, 1, tags.Length > 0 ? [tags[0]] : [], tags.Length > 0 ? tags[0] : "");
        await new CaptionCatalog(db).StoreAsync(
            new(image, captioner, "1", [new(0, 0, 0, 1, 1, tags, caption), crop]),
            (connection, transaction) => lexical.SetDocumentAsync(connection, transaction, image, new(tags, caption, [crop.Caption], name)));
        return id;
    }

    public static Picture Plain(int width, int height, (byte R, byte G, byte B) colour, string salt = "")
    {
        var pixels = new byte[width * height * 3];
        for (var i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = colour;
        }

        // Blocks that depend on the salt, so that no two pictures have the same bytes.
        var random = new Random(salt.Aggregate(17, (h, c) => (h * 31) + c));
        for (var block = 0; block < 12; block++)
        {
            var (x0, y0, shade) = (random.Next(width - 16), random.Next(height - 16), (byte)random.Next(256));
            for (var y = y0; y < y0 + 16; y++)
            {
                pixels.AsSpan(((y * width) + x0) * 3, 48).Fill(shade);
            }
        }

        return new Picture(width, height, 3, pixels);
    }
}
