using System.Security.Cryptography;
using System.Text;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Imaging;
using Microsoft.Playwright;

namespace ImageSearch.Operator.Tests;

/// <summary>What an operator does on the page, with mouse and with keyboard.</summary>
public sealed class PageTests(OperatorPage host) : IClassFixture<OperatorPage>
{
    private OperatorFixture Fixture => host.Operator;

    [Fact]
    public async Task A_group_is_found_and_sent_again_in_canary_batches()
    {
        await FailAsync("codec", "System.PageGroup", 3);
        await FailAsync("embedder", "System.PageOther", 1);
        await using var watched = await host.OpenAsync("/#failures");
        var page = watched.Page;
        await page.GetByLabel("I am").FillAsync("ada");
        await page.Keyboard.PressAsync("Tab");
        var group = page.GetByRole(AriaRole.Row).Filter(new() { HasText = "System.PageGroup" }).First;
        Assert.StartsWith("3", await group.InnerTextAsync());
        await group.GetByRole(AriaRole.Button, new() { Name = "Retry" }).ClickAsync();
        await watched.AgreeAsync("Send the 3 messages of this group again");

        await page.GetByRole(AriaRole.Heading, new() { Name = "Messages of retry" }).WaitForAsync();
        for (var tries = 0; await page.GetByText("3 of 3").CountAsync() == 0; tries++)
        {
            // A worker that has no trouble any more.
            Assert.True(tries < 600, await page.Locator("main").InnerTextAsync());
            await Fixture.Channel.BasicGetAsync("codec", autoAck: true);
            await Task.Delay(100);
        }

        await page.GotoAsync("/#failures?state=resolved&q=System.PageGroup");
        await page.GetByRole(AriaRole.Checkbox).Nth(2).WaitForAsync();
        Assert.Equal(3, await page.GetByRole(AriaRole.Checkbox).CountAsync());
        await page.Locator("nav").GetByText("Log").ClickAsync();
        await page.GetByRole(AriaRole.Row).Filter(new() { HasText = "ada" }).First.WaitForAsync();
    }

    [Fact]
    public async Task Chosen_messages_are_put_aside_and_taken_back()
    {
        await FailAsync("captioner", "System.PageAside", 2);
        await using var watched = await host.OpenAsync("/#failures?q=System.PageAside");
        var page = watched.Page;
        await page.GetByRole(AriaRole.Checkbox).First.CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Archive 1" }).ClickAsync();
        await watched.AgreeAsync("Archive 1 messages?");
        await page.GetByRole(AriaRole.Button, new() { Name = "Archive 1" }).WaitForAsync();
        await page.GetByText("archived 1").ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Restore 1" }).ClickAsync();
        await watched.AgreeAsync("back from the archive?");
        await page.GetByText("archived 0").WaitForAsync();
        Assert.Equal(2, await Fixture.ScalarAsync<long>("SELECT count(*) FROM failed_messages WHERE exception_type = 'System.PageAside' AND state = 'failed'"));
    }

    [Fact]
    public async Task A_message_is_changed_and_sent_and_its_locked_headers_cannot_be_typed_into()
    {
        var id = await FailAsync("embedder", "System.PageEdit", 1, """{"message":{"image":9001}}""");
        await using var watched = await host.OpenAsync($"/#failure?id={id}");
        var page = watched.Page;
        var locked = page.GetByRole(AriaRole.Row).Filter(new() { HasText = "MT-Fault-Message" });
        Assert.Contains("locked", await locked.InnerTextAsync());
        Assert.Equal(0, await locked.GetByRole(AriaRole.Textbox).CountAsync());
        Assert.DoesNotContain("MT-Fault", await page.GetByLabel("Headers that can be changed").InputValueAsync());
        await page.GetByLabel("Body", new() { Exact = true }).FillAsync("""{"message":{"image":9002}}""");
        await page.GetByLabel("Headers that can be changed").FillAsync("""{ "free": "new" }""");
        await page.GetByRole(AriaRole.Button, new() { Name = "Edit and retry" }).ClickAsync();
        await watched.AgreeAsync("Send the changed copy?");
        await page.GetByRole(AriaRole.Heading, new() { Name = "Messages of retry" }).WaitForAsync();
        var sent = (await OperatorFixture.EventuallyAsync(() => Fixture.Channel.BasicGetAsync("embedder", autoAck: true), m => m is not null))!;
        Assert.Contains("9002", Encoding.UTF8.GetString(sent.Body.Span));
        Assert.Equal("new", Encoding.UTF8.GetString((byte[])sent.BasicProperties.Headers!["free"]!));
        await page.GotoAsync($"/#failure?id={id}");
        await page.GetByText("Edited to").WaitForAsync();
    }

    [Fact]
    public async Task Text_of_a_message_never_becomes_markup()
    {
        await FailAsync("codec", "System.PageMarkup", 1, reason: "<img src=x onerror=alert(1)><script>alert(2)</script>");
        await using var watched = await host.OpenAsync("/#failures?q=System.PageMarkup");
        await watched.Page.GetByText("<img src=x onerror=alert(1)>").First.WaitForAsync();
        Assert.Equal(0, await watched.Page.Locator("main img, main script").CountAsync());
    }

    [Fact]
    public async Task A_stage_is_paused_and_goes_on()
    {
        await using var watched = await host.OpenAsync("/");
        var page = watched.Page;
        var row = page.GetByRole(AriaRole.Row).Filter(new() { HasText = "captioner" });
        await row.GetByRole(AriaRole.Button, new() { Name = "pause" }).ClickAsync();
        await watched.AgreeAsync("Pause captioner?");
        await row.GetByText("paused by").WaitForAsync();
        await page.GetByText("captioner: is paused").WaitForAsync();
        await row.GetByRole(AriaRole.Button, new() { Name = "resume" }).ClickAsync();
        await watched.AgreeAsync("Let captioner go on?");
        await row.GetByRole(AriaRole.Button, new() { Name = "pause" }).WaitForAsync();
    }

    [Fact]
    public async Task A_picture_shows_its_way_and_can_be_done_again()
    {
        var (image, id) = await PictureAsync("page/boat.jpg");
        await using var watched = await host.OpenAsync("/#picture");
        var page = watched.Page;
        await page.GetByLabel("Key, id or number of a picture").FillAsync("page/boat.jpg");
        await page.Keyboard.PressAsync("Enter");
        await page.GetByText("Stuck at embed").WaitForAsync();
        await page.WaitForFunctionAsync("() => document.querySelector('img.thumb')?.naturalWidth === 40");
        Assert.Contains(id.Hex, await page.Locator("main").InnerTextAsync());
        await page.GetByRole(AriaRole.Button, new() { Name = "embed again" }).ClickAsync();
        await watched.AgreeAsync("Have embed done again");
        await OperatorFixture.EventuallyAsync(() => Fixture.ScalarAsync<long>($"SELECT count(*) FROM stage_events WHERE stage = 'requested' AND image_id = {image}"), n => n == 1);
        await page.GetByRole(AriaRole.Row).Filter(new() { HasText = "requested" }).WaitForAsync();
    }

    [Fact]
    public async Task An_audit_is_started_and_lists_what_it_finds()
    {
        var (image, _) = await PictureAsync("page/audited.jpg", seen: "now() - interval '1 hour'");
        await using var watched = await host.OpenAsync("/#audit");
        var page = watched.Page;
        await page.GetByLabel("deep: read and decode").CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Start an audit" }).ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { NameRegex = new(@"^Audit \d+: done$") }).WaitForAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "text-missing" }).ClickAsync();
        var finding = page.GetByRole(AriaRole.Row).Filter(new() { HasText = "it was never captioned" }).Filter(new() { HasText = image.ToString() });
        await finding.First.WaitForAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Repair" }).ClickAsync();
        await watched.AgreeAsync("Repair all open findings?");
        await page.GetByText("asked for caption").First.WaitForAsync();
    }

    [Fact]
    public async Task The_keyboard_is_enough()
    {
        await FailAsync("codec", "System.PageKeys", 2);
        await using var watched = await host.OpenAsync("/");
        var page = watched.Page;
        await page.GetByRole(AriaRole.Row).Filter(new() { HasText = "embedder" }).WaitForAsync();
        await page.Keyboard.PressAsync("2");
        await page.Locator("main input[type=search]").WaitForAsync();
        await page.Keyboard.PressAsync("/");
        await page.Keyboard.TypeAsync("exception:System.PageKeys");
        await page.Keyboard.PressAsync("Enter");
        await page.GetByRole(AriaRole.Button, new() { Name = "Retry 2" }).WaitForAsync();
        await TabToAsync(page, "input[type=checkbox]");
        await page.Keyboard.PressAsync("Space");
        await page.GetByRole(AriaRole.Button, new() { Name = "Archive 1" }).WaitForAsync();
        await TabToAsync(page, "button", "Archive 1", back: true);
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("#ask").WaitForAsync();
        Assert.Equal("Cancel", await page.EvaluateAsync<string>("document.activeElement.textContent"));
        await page.Keyboard.PressAsync("Escape");
        await page.Locator("#ask").WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        Assert.Equal("Archive 1", await page.EvaluateAsync<string>("document.activeElement.textContent"));
        await page.Keyboard.PressAsync("Enter");
        await page.Keyboard.PressAsync("Tab");
        Assert.Equal("Yes", await page.EvaluateAsync<string>("document.activeElement.textContent"));
        await page.Keyboard.PressAsync("Enter");
        await page.GetByRole(AriaRole.Button, new() { Name = "Archive 1" }).WaitForAsync();
        await OperatorFixture.EventuallyAsync(() => Fixture.ScalarAsync<long>("SELECT count(*) FROM failed_messages WHERE exception_type = 'System.PageKeys' AND state = 'archived'"), n => n == 1);
    }

    [Theory]
    [InlineData("", 360, ColorScheme.Dark)]
    [InlineData("failures", 360, ColorScheme.Light)]
    [InlineData("retries", 360, ColorScheme.Light)]
    [InlineData("audit", 360, ColorScheme.Dark)]
    [InlineData("models", 360, ColorScheme.Light)]
    [InlineData("log", 1280, ColorScheme.Dark)]
    public async Task Every_part_draws_and_nothing_sticks_out(string part, int width, ColorScheme scheme)
    {
        await FailAsync("codec", "System.PageWide", 1);
        await using var watched = await host.OpenAsync("/#" + part, width, scheme);
        await watched.Page.Locator("main > *").First.WaitForAsync();
        Assert.Equal(0, await watched.Page.Locator("main > p.bad").CountAsync());
        Assert.True(await watched.Page.EvaluateAsync<int>("document.documentElement.scrollWidth") <= width);
    }

    private static async Task TabToAsync(IPage page, string selector, string? text = null, bool back = false)
    {
        for (var i = 0; i < 100; i++)
        {
            await page.Keyboard.PressAsync(back ? "Shift+Tab" : "Tab");
            if (await page.EvaluateAsync<bool>("([s, t]) => document.activeElement.matches(s) && (t === null || document.activeElement.textContent === t)", new[] { selector, text }))
            {
                return;
            }
        }

        Assert.Fail($"The Tab key does not reach {selector} {text}.");
    }

    private async Task<long> FailAsync(string endpoint, string exception, int count, string body = "{}", string reason = "it failed")
    {
        var before = await Fixture.ScalarAsync<long>($"SELECT count(*) FROM failed_messages WHERE exception_type = '{exception}'");
        for (var i = 0; i < count; i++)
        {
            await Fixture.PublishAsync(endpoint + "_error", Encoding.UTF8.GetBytes(body), new()
            {
                ["MT-Fault-ExceptionType"] = exception,
                ["MT-Fault-Message"] = reason,
                ["MT-Fault-StackTrace"] = "   at ImageSearch.Codec.PictureEncoder.EncodeAsync(Int64 image) in PictureEncoder.cs:line 50",
                ["MT-Fault-Timestamp"] = DateTimeOffset.UtcNow.ToString("O"),
                ["free"] = "old",
            }, Guid.NewGuid().ToString());
        }

        await OperatorFixture.EventuallyAsync(() => Fixture.ScalarAsync<long>($"SELECT count(*) FROM failed_messages WHERE exception_type = '{exception}'"), n => n == before + count);
        return await Fixture.ScalarAsync<long>($"SELECT max(id) FROM failed_messages WHERE exception_type = '{exception}'");
    }

    /// <summary>A picture that is registered and encoded, but neither embedded nor captioned.</summary>
    private async Task<(long Image, ImageId Id)> PictureAsync(string key, string seen = "now()")
    {
        var content = ImageFiles.Encode(new Picture(40, 30, 3, Enumerable.Repeat((byte)90, 40 * 30 * 3).ToArray()), ImageFormat.WebP);
        var original = Encoding.UTF8.GetBytes(key);
        var id = ImageId.Of(original);
        await Fixture.Store.PutAsync(Fixture.Upload, key, original, "image/png");
        var head = (await Fixture.Store.HeadAsync(Fixture.Upload, key))!;
        var (image, _, _) = await new ImageCatalog(Fixture.Db).RegisterAsync(Fixture.Upload, key, head.ETag, new(id, "jpeg", 40, 30, original.Length, null));
        await new EmbeddingCatalog(Fixture.Db).RegisterModelAsync("test/1", 4, null);
        await Fixture.Store.PutAsync(Fixture.Derived, $"bitstreams/{key}", original, "application/octet-stream");
        await Fixture.Store.PutAsync(Fixture.Derived, ObjectKeys.Thumbnail(id), content, "image/webp");
        await new BitstreamCatalog(Fixture.Db).StoreAsync(new(image, "lic-lot/1", 4, $"bitstreams/{key}", original.Length, SHA256.HashData(original), ObjectKeys.Thumbnail(id), 12));
        await Fixture.ExecuteAsync($"UPDATE images SET created_at = {seen} WHERE id = {image}");
        return (image, id);
    }
}
