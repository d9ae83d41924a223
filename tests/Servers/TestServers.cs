using System.Net;
using System.Net.Sockets;

namespace ImageSearch.Tests.Servers;

/// <summary>
/// The real servers that tests run against. <c>./imagesearch test</c> starts throw-away ones and hands their addresses over in
/// environment variables; every test class takes its own database, virtual host and bucket names and removes them afterwards.
/// </summary>
public static class TestServers
{
    /// <summary>A fresh, empty database with a superuser login; dropped when disposed.</summary>
    /// <param name="disk">Where it lies; null for the server's own disk.</param>
    public static Task<TestDatabase> DatabaseAsync(PostgresDisk? disk = null) => TestDatabase.CreateAsync(Required("IMAGESEARCH_TEST_POSTGRES"), disk?.Tablespace);

    /// <summary>A disk of its own for databases, to be filled; gone when disposed.</summary>
    public static Task<PostgresDisk> PostgresDiskAsync(int megabytes) => PostgresDisk.MountAsync(Required("IMAGESEARCH_TEST_POSTGRES"), megabytes);

    /// <summary>Administration of the object store.</summary>
    public static TestGateway Gateway() => new(Required("IMAGESEARCH_TEST_S3_ENDPOINT"));

    /// <summary>A fresh RabbitMQ virtual host, with the address of the management API; deleted when disposed.</summary>
    public static Task<TestVirtualHost> VirtualHostAsync() => TestVirtualHost.CreateAsync(
        new Uri(Required("IMAGESEARCH_TEST_RABBITMQ")),
        new Uri(Required("IMAGESEARCH_TEST_RABBITMQ_MANAGEMENT")));

    /// <summary>A bucket prefix that nobody else uses; buckets under it are emptied and deleted when disposed.</summary>
    public static TestBuckets Buckets() => new(
        Required("IMAGESEARCH_TEST_S3_ENDPOINT"),
        Required("IMAGESEARCH_TEST_S3_ACCESS_KEY"),
        Required("IMAGESEARCH_TEST_S3_SECRET_KEY"));

    /// <summary>The folder with the models that the checkout ships.</summary>
    public static string ModelsDirectory => Required("IMAGESEARCH_TEST_MODELS");

    /// <summary>Path of the browser for page tests.</summary>
    public static string Chromium => Required("IMAGESEARCH_TEST_CHROMIUM");

    /// <summary>A port of this machine on which nothing listens now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Twelve characters, valid in database, virtual host and bucket names.</summary>
    internal static string FreshName() => "t" + Guid.NewGuid().ToString("N")[..11];

    /// <exception cref="InvalidOperationException">The variable is not set: the tests were not started with their servers.</exception>
    private static string Required(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value
            ? value
            : throw new InvalidOperationException(
                $"{variable} is not set. These tests need real servers: run them with ./imagesearch test [PROJECT].");
}
