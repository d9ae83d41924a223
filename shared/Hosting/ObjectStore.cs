using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace ImageSearch.Hosting;

/// <param name="ETag">Without quotes.</param>
/// <param name="Description">What the uploader wrote about it in the user metadata <c>x-amz-meta-description</c>; null in listings.</param>
public sealed record StoredObject(string Key, string ETag, long Bytes, DateTimeOffset LastModified, string? ContentType = null, string? Description = null);

/// <summary>The object is larger than the caller allows.</summary>
public sealed class ObjectTooLargeException(string key, long bytes, long limit)
    : Exception($"Object {key} has {bytes:N0} bytes; at most {limit:N0} are taken.")
{
    public long Bytes => bytes;
}

/// <summary>The S3 calls that the services use, over any S3 store (Ceph RGW, MinIO, AWS).</summary>
public sealed class ObjectStore : IDisposable
{
    private const string DescriptionMetadata = "description";

    private readonly AmazonS3Client s3;

    public ObjectStore(ObjectStoreOptions options)
    {
        Options = options;
        s3 = new AmazonS3Client(new BasicAWSCredentials(options.AccessKey, options.SecretKey), new AmazonS3Config
        {
            ServiceURL = options.Endpoint,
            AuthenticationRegion = options.Region,
            ForcePathStyle = true,
            MaxErrorRetry = 2,
            Timeout = TimeSpan.FromSeconds(100),
            ConnectTimeout = TimeSpan.FromSeconds(5),
            // Stores other than AWS lack the newer trailing checksums.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });
    }

    public ObjectStoreOptions Options { get; }

    /// <summary>The client itself, for provisioning.</summary>
    public IAmazonS3 Client => s3;

    public Task PutAsync(string bucket, string key, byte[] content, string contentType, CancellationToken ct = default, string? description = null) =>
        PutAsync(bucket, key, new MemoryStream(content, writable: false), contentType, ct, description);

    public async Task PutAsync(string bucket, string key, Stream content, string contentType, CancellationToken ct = default, string? description = null)
    {
        var request = new PutObjectRequest
        {
            BucketName = bucket,
            Key = key,
            InputStream = content,
            ContentType = contentType,
            AutoCloseStream = false,
            // Chunked signatures leave "aws-chunked" as the stored content encoding on Ceph.
            UseChunkEncoding = false,
            DisablePayloadSigning = Options.Endpoint.StartsWith("https", StringComparison.Ordinal),
        };
        if (!string.IsNullOrWhiteSpace(description))
        {
            // Header values are ASCII; 2 KB is what S3 allows for all user metadata.
            var text = description.Trim();
            while (Uri.EscapeDataString(text) is { Length: > 1500 } escaped)
            {
                text = text[..(int)(text.Length * 1500L / escaped.Length)];
            }

            request.Metadata.Add(DescriptionMetadata, Uri.EscapeDataString(text));
        }

        await s3.PutObjectAsync(request, ct);
    }

    /// <summary>The object's description, or null if there is none.</summary>
    public async Task<StoredObject?> HeadAsync(string bucket, string key, CancellationToken ct = default)
    {
        try
        {
            var m = await s3.GetObjectMetadataAsync(bucket, key, ct);
            return new(key, Unquote(m.ETag), m.ContentLength, m.LastModified ?? default, m.Headers.ContentType, Describe(m.Metadata));
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>The whole object, or null if there is none.</summary>
    /// <exception cref="ObjectTooLargeException">It is longer than <paramref name="limit"/> bytes; nothing was read.</exception>
    public Task<(StoredObject Object, byte[] Content)?> GetAsync(string bucket, string key, long limit = 512L << 20, CancellationToken ct = default) =>
        ReadAsync(bucket, key, limit, async (stream, length) =>
        {
            var content = new byte[length];
            await stream.ReadExactlyAsync(content, ct);
            return content;
        }, ct);

    /// <summary>Hands the object's content and length to a reader without holding it in memory; null if there is none.</summary>
    /// <exception cref="ObjectTooLargeException">It is longer than <paramref name="limit"/> bytes; nothing was read.</exception>
    public async Task<(StoredObject Object, T Result)?> ReadAsync<T>(string bucket, string key, long limit, Func<Stream, long, Task<T>> read, CancellationToken ct = default)
    {
        try
        {
            using var response = await s3.GetObjectAsync(bucket, key, ct);
            if (response.ContentLength > limit)
            {
                throw new ObjectTooLargeException(key, response.ContentLength, limit);
            }

            var result = await read(response.ResponseStream, response.ContentLength);
            return (new(key, Unquote(response.ETag), response.ContentLength, response.LastModified ?? default, response.Headers.ContentType, Describe(response.Metadata)), result);
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Deletes an object; no error if there is none.</summary>
    public async Task DeleteAsync(string bucket, string key, CancellationToken ct = default) => await s3.DeleteObjectAsync(bucket, key, ct);

    /// <summary>Objects in byte order of their keys.</summary>
    /// <param name="startAfter">Keys up to and including this one are left out.</param>
    public async IAsyncEnumerable<StoredObject> ListAsync(string bucket, string? prefix = null, string? startAfter = null, [EnumeratorCancellation] CancellationToken ct = default)
    {
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = prefix, StartAfter = startAfter, MaxKeys = 1000 };
        ListObjectsV2Response page;
        do
        {
            page = await s3.ListObjectsV2Async(request, ct);
            foreach (var o in page.S3Objects ?? [])
            {
                yield return new(o.Key, Unquote(o.ETag), o.Size ?? 0, o.LastModified ?? default);
            }

            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated == true);
    }

    public async Task EnsureBucketAsync(string bucket, CancellationToken ct = default)
    {
        try
        {
            await s3.PutBucketAsync(new PutBucketRequest { BucketName = bucket, UseClientRegion = false }, ct);
        }
        catch (AmazonS3Exception e) when (e.ErrorCode is "BucketAlreadyOwnedByYou" or "BucketAlreadyExists")
        {
            // It is there, which is what was asked for.
        }
    }

    public void Dispose() => s3.Dispose();

    private static string? Describe(MetadataCollection metadata) =>
        metadata["x-amz-meta-" + DescriptionMetadata] is { Length: > 0 } value ? Uri.UnescapeDataString(value) : null;

    private static string Unquote(string etag) => etag.Trim('"');
}
