using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using ImageSearch.Catalog;
using ImageSearch.Cli.Security;
using ImageSearch.Hosting;
using ImageSearch.Tests.Servers;
using Npgsql;

namespace ImageSearch.Pipeline.Tests;

/// <summary>POST /images of a real ingest process with a real store: large, too large, and on a full disk.</summary>
public sealed class UploadTests : IAsyncLifetime
{
    private readonly TestBuckets buckets = TestServers.Buckets();
    private TestDatabase database = null!;
    private TestVirtualHost broker = null!;
    private Dictionary<string, string> settings = [];

    public async Task InitializeAsync()
    {
        (database, broker) = (await TestServers.DatabaseAsync(), await TestServers.VirtualHostAsync());
        await using (var db = NpgsqlDataSource.Create(database.ConnectionString))
        {
            await Migrator.MigrateAsync(db);
        }

        await PipelineTopology.DeclareAsync(broker.Uri.ToString());
        settings = await IngestProcess.SettingsAsync(database, broker, buckets);
        settings["DOTNET_gcServer"] = "0";
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        await broker.DisposeAsync();
        await buckets.DisposeAsync();
    }

    [Fact]
    public async Task Eight_uploads_of_forty_megabytes_at_once_are_kept_whole_and_need_no_memory_of_their_size()
    {
        await using var ingest = new IngestProcess(settings);
        await ingest.ReadyAsync();
        // What the runtime and the code itself need is loaded by a small one first.
        Assert.Equal("registered", (await UploadAsync(ingest, "small.jpg", HostileFiles.Sound("jpeg")))["status"]!.GetValue<string>());
        var before = ingest.AnonymousMiB;
        var peak = before;
        using var done = new CancellationTokenSource();
        var watch = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                peak = Math.Max(peak, ingest.AnonymousMiB);
                await Task.Delay(20);
            }
        });

        var jpeg = HostileFiles.Sound("jpeg");
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
        {
            // A sound picture with 40 MB behind it, each another.
            var file = new byte[40 << 20];
            jpeg.CopyTo(file, 0);
            file[^1] = (byte)i;
            return UploadAsync(ingest, $"large{i}.jpg", file);
        }));
        await done.CancelAsync();
        await watch;

        foreach (var answer in answers)
        {
            Assert.Equal("registered", answer["status"]!.GetValue<string>());
            var stored = await buckets.Client.GetObjectMetadataAsync(settings["ObjectStore__UploadBucket"], answer["key"]!.GetValue<string>());
            Assert.Equal(40 << 20, stored.ContentLength);
        }

        Assert.True(peak - before < 120, $"{before} MiB before, {peak} MiB at most, for 320 MiB at once");
    }

    [Fact]
    public async Task A_file_over_the_limit_is_refused_by_name_and_the_next_one_is_taken()
    {
        settings["Ingest__MaxBytes"] = "1000000";
        await using var ingest = new IngestProcess(settings);
        await ingest.ReadyAsync();
        using var form = new MultipartFormDataContent { { new ByteArrayContent(new byte[3_000_000]), "file", "huge.jpg" }, { new ByteArrayContent(HostileFiles.Sound("png")), "file", "small.png" } };
        using var response = await ingest.Http.PostAsync("/images", form);
        var files = (await response.Content.ReadFromJsonAsync<JsonArray>())!;
        Assert.Equal(("rejected", "TooLarge"), (files[0]!["status"]!.GetValue<string>(), files[0]!["code"]!.GetValue<string>()));
        Assert.Equal("registered", files[1]!["status"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_full_disk_is_told_and_later_uploads_go_on()
    {
        await using var disk = SmallDisk.Mount(megabytes: 2);
        settings["Ingest__TemporaryFolder"] = disk.Folder;
        await using var ingest = new IngestProcess(settings);
        await ingest.ReadyAsync();
        using var form = new MultipartFormDataContent { { new ByteArrayContent(new byte[5_000_000]), "file", "large.jpg" } };
        using var response = await ingest.Http.PostAsync("/images", form);
        Assert.Equal(HttpStatusCode.InsufficientStorage, response.StatusCode);
        var text = await response.Content.ReadAsStringAsync();
        Assert.Contains(disk.Folder, text);
        Assert.Contains("Ingest:TemporaryFolder", text);
        // Nothing of the failed one takes room.
        Assert.Equal("registered", (await UploadAsync(ingest, "fits.jpg", HostileFiles.Sound("jpeg")))["status"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("POST /images HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n", 50, "408")]
    [InlineData("POST /images HTTP/1.1\r\nHost: x\r\nX-Slow: ", 100, "408")]
    public async Task A_client_that_drips_bytes_is_cut_off(string start, int millisecondsPerByte, string status)
    {
        await using var ingest = new IngestProcess(settings);
        await ingest.ReadyAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(ingest.Http.BaseAddress!.Host, ingest.Http.BaseAddress.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(start));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var answer = new StreamReader(stream).ReadLineAsync(patience.Token).AsTask();
        try
        {
            while (!answer.IsCompleted)
            {
                await stream.WriteAsync("x"u8.ToArray(), patience.Token);
                await Task.Delay(millisecondsPerByte);
            }
        }
        catch (IOException)
        {
            // Cut off while it wrote.
        }

        Assert.Contains(status, await answer);
    }

    private static async Task<JsonNode> UploadAsync(IngestProcess ingest, string name, byte[] content)
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(content) { Headers = { ContentType = new MediaTypeHeaderValue("image/jpeg") } }, "file", name } };
        using var response = await ingest.Http.PostAsync("/images", form);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return Assert.Single((await response.Content.ReadFromJsonAsync<JsonArray>())!)!;
    }
}
