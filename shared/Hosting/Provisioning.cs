using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Amazon.S3.Model;
using ImageSearch.Contracts;

namespace ImageSearch.Hosting;

/// <summary>Prepares an object store for the pipeline: buckets, and notifications of the upload bucket to RabbitMQ.</summary>
public sealed class Provisioning(ObjectStore store, RabbitMqOptions rabbit, HttpClient http)
{
    private ObjectStoreOptions Options => store.Options;

    /// <exception cref="InvalidOperationException">The store refused; the message says what it answered.</exception>
    public async Task ProvisionStoreAsync(CancellationToken ct = default)
    {
        await store.EnsureBucketAsync(Options.UploadBucket, ct);
        await store.EnsureBucketAsync(Options.DerivedBucket, ct);
        var arn = string.IsNullOrEmpty(Options.NotificationArn) ? await CreateTopicAsync(ct) : Options.NotificationArn;
        List<Amazon.S3.EventType> events = [new("s3:ObjectCreated:*"), new("s3:ObjectRemoved:*")];
        var request = new PutBucketNotificationRequest { BucketName = Options.UploadBucket };
        if (arn.Contains(":sqs:", StringComparison.Ordinal))
        {
            request.QueueConfigurations = [new() { Id = "imagesearch", Queue = arn, Events = events }];
        }
        else
        {
            request.TopicConfigurations = [new() { Id = "imagesearch", Topic = arn, Events = events }];
        }

        await store.Client.PutBucketNotificationAsync(request, ct);
    }

    /// <summary>Creates (or updates) Ceph's topic that pushes to the AMQP exchange, persistent so that a broker that is down loses nothing.</summary>
    private async Task<string> CreateTopicAsync(CancellationToken ct)
    {
        var form = new (string, string)[]
        {
            ("Action", "CreateTopic"), ("Name", $"imagesearch-{Options.UploadBucket}"),
            ("Attributes.entry.1.key", "push-endpoint"), ("Attributes.entry.1.value", PushEndpoint()),
            ("Attributes.entry.2.key", "amqp-exchange"), ("Attributes.entry.2.value", Queues.S3EventsExchange),
            ("Attributes.entry.3.key", "amqp-ack-level"), ("Attributes.entry.3.value", "broker"),
            ("Attributes.entry.4.key", "persistent"), ("Attributes.entry.4.value", "true"),
        };
        var body = string.Join('&', form.Select(f => $"{Uri.EscapeDataString(f.Item1)}={Uri.EscapeDataString(f.Item2)}"));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(new Uri(Options.Endpoint), "/"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-www-form-urlencoded");
        Sign(request, body);
        using var response = await http.SendAsync(request, ct);
        var answer = await response.Content.ReadAsStringAsync(ct);
        var start = answer.IndexOf("<TopicArn>", StringComparison.Ordinal);
        return response.IsSuccessStatusCode && start >= 0
            ? answer[(start + 10)..answer.IndexOf("</TopicArn>", StringComparison.Ordinal)]
            : throw new InvalidOperationException(
                $"The object store at {Options.Endpoint} did not create a notification topic ({(int)response.StatusCode}): {answer} "
                + "If it notifies by other means, set ObjectStore:NotificationArn to the ARN that the bucket shall notify.");
    }

    // The store speaks AMQP 0-9-1 with the vhost as path; the default vhost is written as no path.
    private string PushEndpoint() => rabbit.Uri.TrimEnd('/');

    /// <summary>AWS Signature Version 4 for the service "sns" (the S3 SDK does not sign for it).</summary>
    private void Sign(HttpRequestMessage request, string body)
    {
        var now = DateTime.UtcNow;
        var stamp = now.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var day = stamp[..8];
        var host = request.RequestUri!.Authority;
        var payload = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        const string signed = "content-type;host;x-amz-date";
        var canonical = $"POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:{host}\nx-amz-date:{stamp}\n\n{signed}\n{payload}";
        var scope = $"{day}/{Options.Region}/sns/aws4_request";
        var toSign = $"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + Options.SecretKey);
        foreach (var part in (string[])[day, Options.Region, "sns", "aws4_request"])
        {
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        }

        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));
        request.Headers.Add("x-amz-date", stamp);
        request.Headers.TryAddWithoutValidation("Authorization", $"AWS4-HMAC-SHA256 Credential={Options.AccessKey}/{scope}, SignedHeaders={signed}, Signature={signature}");
    }
}
