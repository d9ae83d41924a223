using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace ImageSearch.Tests.Servers;

/// <summary>Buckets of one test class: all those whose name starts with <see cref="Prefix"/>.</summary>
public sealed class TestBuckets : IAsyncDisposable
{
    internal TestBuckets(string endpoint, string accessKey, string secretKey)
    {
        Endpoint = endpoint;
        AccessKey = accessKey;
        SecretKey = secretKey;
        Prefix = TestServers.FreshName() + "-";
        Client = new AmazonS3Client(
            new BasicAWSCredentials(accessKey, secretKey),
            new AmazonS3Config { ServiceURL = endpoint, ForcePathStyle = true, AuthenticationRegion = "default", UseHttp = true });
    }

    public string Endpoint { get; }

    public string AccessKey { get; }

    public string SecretKey { get; }

    /// <summary>Lower-case letters and digits with a hyphen at the end.</summary>
    public string Prefix { get; }

    /// <summary>A client of its own, so that tests see the store without the code under test.</summary>
    public IAmazonS3 Client { get; }

    /// <summary>Creates the bucket <c>Prefix + name</c> and returns its full name.</summary>
    public async Task<string> CreateAsync(string name)
    {
        await Client.PutBucketAsync(Prefix + name);
        return Prefix + name;
    }

    public async ValueTask DisposeAsync()
    {
        var buckets = (await Client.ListBucketsAsync()).Buckets ?? [];
        foreach (var bucket in buckets.Where(b => b.BucketName.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            await EmptyAsync(bucket.BucketName);
            await Client.DeleteBucketAsync(bucket.BucketName);
        }

        Client.Dispose();
    }

    private async Task EmptyAsync(string bucket)
    {
        while (true)
        {
            var page = await Client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = bucket });
            if (page.S3Objects is not { Count: > 0 } objects)
            {
                return;
            }

            await Client.DeleteObjectsAsync(new DeleteObjectsRequest
            {
                BucketName = bucket,
                Objects = [.. objects.Select(o => new KeyVersion { Key = o.Key })],
            });
        }
    }
}
