using ImageSearch.Codec;
using ImageSearch.Contracts;
using ImageSearch.Ingest;
using ImageSearch.Ingest.Uploads;

namespace ImageSearch.Pipeline.Tests;

public sealed class SmallPartsTests
{
    [Theory]
    [InlineData("photo.jpg", "photo.jpg")]
    [InlineData(@"C:\Users\me\photo.jpg", "photo.jpg")]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("a\u0000b\n.jpg", "ab.jpg")]
    [InlineData("..", "picture")]
    [InlineData("", "picture")]
    [InlineData(null, "picture")]
    public void A_clients_file_name_is_reduced_to_a_plain_name(string? sent, string expected) => Assert.Equal(expected, UploadEndpoints.CleanName(sent));

    [Fact]
    public void Keys_are_compared_by_their_bytes_as_stores_list_them()
    {
        // U+FF5E comes before U+1F600 in UTF-8, after it in UTF-16.
        Assert.True(Reconciler.CompareUtf8("\uFF5E", "\U0001F600") < 0);
        Assert.True(string.CompareOrdinal("\uFF5E", "\U0001F600") > 0);
        Assert.True(Reconciler.CompareUtf8("a", "a/") < 0);
        Assert.Equal(0, Reconciler.CompareUtf8("ü", "ü"));
    }

    [Fact]
    public async Task A_picture_over_the_pixel_budget_is_let_in_alone_and_in_its_turn()
    {
        var budget = new PixelBudget(100);
        var small = await budget.EnterAsync(60, default);
        var large = budget.EnterAsync(5000, default);
        var after = budget.EnterAsync(10, default);
        Assert.False(large.IsCompleted);
        Assert.False(after.IsCompleted);

        small.Dispose();
        (await large).Dispose();
        (await after).Dispose();
        (await budget.EnterAsync(100, default)).Dispose();
    }

    [Fact]
    public async Task Giving_up_waiting_for_the_budget_gives_the_turn_to_the_next()
    {
        var budget = new PixelBudget(100);
        var held = await budget.EnterAsync(60, default);
        using var cancel = new CancellationTokenSource();
        var large = budget.EnterAsync(100, cancel.Token);
        var next = budget.EnterAsync(40, default);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        (await next).Dispose();
        held.Dispose();
        (await budget.EnterAsync(100, default)).Dispose();
    }

    [Fact]
    public void Derived_keys_follow_from_content_and_settings_and_name_their_image()
    {
        var id = ImageId.Of("abc"u8);
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", id.Hex);
        Assert.Equal($"bitstreams/ba/{id}/lic-lot-1-q4.5.lic", ObjectKeys.Bitstream(id, "lic-lot/1", 4.5f));
        Assert.Equal(id, ObjectKeys.ImageOf(ObjectKeys.Bitstream(id, "lic-lot/1", 4)));
        Assert.Equal(id, ObjectKeys.ImageOf(ObjectKeys.Thumbnail(id)));
        Assert.Null(ObjectKeys.ImageOf("bitstreams/ba/other/x.lic"));
        Assert.Null(ObjectKeys.ImageOf("health"));
    }
}
