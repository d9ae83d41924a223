using System.Net;
using System.Net.Sockets;
using ImageSearch.Tests.Servers;

namespace ImageSearch.Pipeline.Tests;

/// <summary>
/// <c>./imagesearch up</c> in a checkout where something is wrong. The checkout is a copy of the scripts with a finished build; servers that a test does
/// not break are those of the tests.
/// </summary>
public sealed class StackStartTests : IDisposable
{
    private readonly string checkout = Directory.CreateTempSubdirectory("checkout").FullName;
    private readonly Dictionary<string, string> environment = new()
    {
        ["IMAGESEARCH_POSTGRES"] = Test("POSTGRES"),
        ["IMAGESEARCH_RABBITMQ"] = Test("RABBITMQ"),
        ["IMAGESEARCH_RABBITMQ_MANAGEMENT"] = Test("RABBITMQ_MANAGEMENT"),
        ["IMAGESEARCH_S3_ENDPOINT"] = Test("S3_ENDPOINT"),
        ["IMAGESEARCH_S3_ACCESS_KEY"] = Test("S3_ACCESS_KEY"),
        ["IMAGESEARCH_S3_SECRET_KEY"] = Test("S3_SECRET_KEY"),
    };

    public StackStartTests()
    {
        foreach (var path in (string[])["services", "shared", "tools/cli/bin/Release", "deploy/local", "models", ".imagesearch"])
        {
            Directory.CreateDirectory(Path.Combine(checkout, path));
        }

        foreach (var path in Directory.GetFiles(Checkout.File("deploy/local")).Select(f => Path.GetRelativePath(Checkout.Root, f))
            .Concat(["imagesearch", "global.json", "package-lock.json", "Directory.Build.props", "Directory.Packages.props"]))
        {
            File.Copy(Checkout.File(path), Path.Combine(checkout, path));
        }

        // The command line lies beside the tests.
        File.CreateSymbolicLink(Path.Combine(checkout, "tools/cli/bin/Release/net10.0"), AppContext.BaseDirectory);
        MarkAsBuilt();
    }

    public void Dispose()
    {
        // Ports are remembered outside of the checkout.
        foreach (var owner in Directory.Exists(PortFolder) ? Directory.GetFiles(PortFolder) : [])
        {
            if (File.ReadAllText(owner).StartsWith(checkout, StringComparison.Ordinal))
            {
                File.Delete(owner);
            }
        }

        Directory.Delete(checkout, recursive: true);
    }

    [Fact]
    public async Task A_full_disk_is_told_with_what_is_free_and_what_is_needed()
    {
        await using var disk = SmallDisk.Mount(megabytes: 20, Path.Combine(checkout, ".imagesearch"));
        MarkAsBuilt();
        environment.Remove("IMAGESEARCH_POSTGRES");
        var (code, output) = await UpAsync();
        Assert.Equal(1, code);
        Assert.Contains($"only 0 GB are free for {checkout}/.imagesearch, 3 GB are needed. Free some space, or", output);
    }

    [Fact]
    public async Task An_occupied_port_is_told_with_the_program_that_has_it_and_the_way_out()
    {
        using var occupant = new TcpListener(IPAddress.Loopback, 0);
        occupant.Start();
        var port = ((IPEndPoint)occupant.LocalEndpoint).Port;
        await File.WriteAllTextAsync(Path.Combine(checkout, ".imagesearch/ports"), $"base=1\npostgres={port}\n");
        environment.Remove("IMAGESEARCH_POSTGRES");
        var (code, output) = await UpAsync();
        Assert.Equal(1, code);
        Assert.Contains($"port {port}, which postgres needs, is taken by", output);
        Assert.Contains($"(process {Environment.ProcessId})", output);
        Assert.Contains("./imagesearch down; rm", output);
    }

    [Theory]
    [InlineData("IMAGESEARCH_POSTGRES", "Host=127.0.0.1;Port={0};Username=u;Password=p;Database=d", "PostgreSQL does not answer", "Postgres__ConnectionString")]
    [InlineData("IMAGESEARCH_RABBITMQ", "amqp://u:p@127.0.0.1:{0}", "RabbitMQ does not answer", "RabbitMq__Uri")]
    [InlineData("IMAGESEARCH_S3_ENDPOINT", "http://127.0.0.1:{0}", "The object store does not answer", "ObjectStore__Endpoint")]
    public async Task A_missing_server_is_named_with_its_setting(string name, string value, params string[] said)
    {
        await using var database = await TestServers.DatabaseAsync();
        environment["IMAGESEARCH_POSTGRES"] = database.ConnectionString;
        environment[name] = string.Format(null, value, TestServers.FreePort());
        var (code, output) = await UpAsync();
        Assert.Equal(1, code);
        Assert.All(said, words => Assert.Contains(words, output));
        Assert.DoesNotContain("   at ", output);
    }

    [Theory]
    [InlineData("IMAGESEARCH_RABBITMQ_MANAGEMENT", "", "IMAGESEARCH_RABBITMQ is set, so IMAGESEARCH_RABBITMQ_MANAGEMENT must name its management address")]
    [InlineData("IMAGESEARCH_S3_SECRET_KEY", "", "IMAGESEARCH_S3_ENDPOINT is set, so IMAGESEARCH_S3_ACCESS_KEY and IMAGESEARCH_S3_SECRET_KEY must be too")]
    [InlineData("IMAGESEARCH_POSTGRES", "postgres://u:secret@host/d", "Wrong settings in Postgres: The field ConnectionString is wrong")]
    [InlineData("IMAGESEARCH_RABBITMQ", "host:5672", "Wrong settings in RabbitMq: The field Uri must match")]
    [InlineData("IMAGESEARCH_S3_ENDPOINT", "store:9000", "Wrong settings in ObjectStore: The Endpoint field is not a valid")]
    public async Task A_wrong_setting_is_named(string name, string value, string said)
    {
        await using var database = await TestServers.DatabaseAsync();
        environment["IMAGESEARCH_POSTGRES"] = database.ConnectionString;
        environment[name] = value;
        var (code, output) = await UpAsync();
        Assert.Equal(1, code);
        Assert.Contains(said, output);
        Assert.DoesNotContain("secret@", output);
        Assert.DoesNotContain("   at ", output);
    }

    private static string PortFolder => Path.Combine(
        Environment.GetEnvironmentVariable("IMAGESEARCH_CACHE")
            ?? Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/root", ".cache"), "imagesearch"), "ports");

    private static string Test(string name) => Environment.GetEnvironmentVariable("IMAGESEARCH_TEST_" + name)
        ?? throw new InvalidOperationException($"IMAGESEARCH_TEST_{name} is not set: run these tests with ./imagesearch test Pipeline.");

    private void MarkAsBuilt() => File.WriteAllText(Path.Combine(checkout, ".imagesearch/built"), "");

    private Task<(int Code, string Output)> UpAsync() =>
        Checkout.RunAsync("env", [.. environment.Select(v => $"{v.Key}={v.Value}"), Path.Combine(checkout, "imagesearch"), "up", "--servers"]);
}
