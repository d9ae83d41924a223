using System.Text.Json;
using ImageSearch.Ingest.S3Events;

namespace ImageSearch.Pipeline.Tests;

public sealed class S3EventTests
{
    [Theory]
    [InlineData("ceph:s3", "ObjectCreated:Put", "in/a b+ü.jpg", "in/a b+ü.jpg")]
    [InlineData("aws:s3", "ObjectCreated:Put", "in/a+b%2B%C3%BC.jpg", "in/a b+ü.jpg")]
    [InlineData("minio:s3", "s3:ObjectCreated:CompleteMultipartUpload", "in%2Fa+b%2B%C3%BC.jpg", "in/a b+ü.jpg")]
    [InlineData("ceph:s3", "ObjectRemoved:Delete", "100%25.jpg", "100%25.jpg")]
    public void Keys_are_read_as_the_store_that_sent_them_writes_them(string source, string name, string sent, string expected)
    {
        var record = Parse($$$$"""{"Records":[{"eventSource":"{{{{source}}}}","eventName":"{{{{name}}}}","s3":{"bucket":{"name":"images"},"object":{"key":"{{{{sent}}}}","size":8}}}]}""").Records![0];

        Assert.True(record.ChangesContent());
        Assert.Equal(("images", expected), record.Location());
    }

    [Theory]
    [InlineData("ObjectTagging:Put")]
    [InlineData("s3:ObjectAccessed:Get")]
    [InlineData(null)]
    public void Events_that_change_no_content_are_left_alone(string? name) =>
        Assert.False(new S3EventRecord { EventName = name }.ChangesContent());

    [Theory]
    [InlineData("""{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images"}}}]}""")]
    [InlineData("""{"Records":[{"eventName":"ObjectCreated:Put"}]}""")]
    [InlineData("""{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":""},"object":{"key":"a"}}}]}""")]
    public void A_record_without_bucket_or_key_fails_with_a_message_that_says_so(string json)
    {
        var e = Assert.Throws<FormatException>(() => Parse(json).Records![0].Location());
        Assert.Contains("s3.bucket.name", e.Message);
    }

    [Fact]
    public void The_announcement_of_a_new_configuration_has_no_records() =>
        Assert.Null(Parse("""{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"images"}""").Records);

    private static S3EventNotification Parse(string json) => JsonSerializer.Deserialize<S3EventNotification>(json)!;
}
