using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using ImageSearch.Catalog;
using ImageSearch.Hosting.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace ImageSearch.Hosting;

/// <summary>What every service has: validated settings, database, object store, logs, traces, metrics, health.</summary>
public static class ServiceDefaults
{
    /// <summary>Source of the pipeline's own spans.</summary>
    public static readonly ActivitySource Activities = new("ImageSearch");

    /// <summary>Meter of the pipeline's own measurements.</summary>
    public static readonly Meter Meter = new("ImageSearch");

    public static WebApplicationBuilder AddImageSearch(this WebApplicationBuilder builder, string service)
    {
        builder.Logging.ClearProviders();
        if (builder.Configuration["Logging:Format"] == "json")
        {
            builder.Logging.AddJsonConsole(o => o.UseUtcTimestamp = true);
        }
        else
        {
            builder.Logging.AddSimpleConsole(o =>
            {
                o.SingleLine = true;
                o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                o.UseUtcTimestamp = true;
            });
        }

        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Information);
        builder.WebHost.ConfigureKestrelLimits();
        var services = builder.Services;
        services.AddSettings<PostgresOptions>(PostgresOptions.Section);
        services.AddSettings<RabbitMqOptions>(RabbitMqOptions.Section);
        services.AddSettings<ObjectStoreOptions>(ObjectStoreOptions.Section);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(p => OpenDatabase(p.GetRequiredService<IOptions<PostgresOptions>>().Value, service));
        services.AddSingleton(p => new ObjectStore(p.GetRequiredService<IOptions<ObjectStoreOptions>>().Value));
        services.AddHealthChecks()
            .AddCheck<DatabaseHealth>("postgres", tags: ["ready"])
            .AddCheck<ObjectStoreHealth>("object-store", tags: ["ready"]);
        services.AddHttpHardening();
        services.AddTelemetry(builder.Configuration, service);
        return builder;
    }

    /// <summary>Binds a settings section and checks its attributes at start, so that a wrong setting stops the service with the setting's name.</summary>
    public static OptionsBuilder<T> AddSettings<T>(this IServiceCollection services, string section)
        where T : class =>
        services.AddOptions<T>().BindConfiguration(section).ValidateDataAnnotations().ValidateOnStart();

    /// <summary>
    /// <c>/health/live</c>: the process answers. <c>/health/ready</c>: it can do its work, with the reason for each part that cannot. <c>/metrics</c>: what it has
    /// counted, in Prometheus' text format.
    /// </summary>
    public static void MapHealth(this WebApplication app)
    {
        try
        {
            MapHealthChecks(app);
        }
        catch (Exception e) when (WrongSettings(e).Length > 0)
        {
            // Mapping builds the bus, whose endpoints read settings. Starting checks all settings and RunServiceAsync says what is wrong with them.
        }
    }

    private static void MapHealthChecks(WebApplication app)
    {
        app.MapGet("/metrics", ([FromServices] MetricsText metrics) => Results.Text(metrics.Read(), "text/plain; version=0.0.4")).ExcludeFromDescription();
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            Predicate = c => c.Tags.Contains("ready"),
            ResponseWriter = (context, report) => context.Response.WriteAsJsonAsync(new
            {
                status = report.Status.ToString(),
                parts = report.Entries.ToDictionary(e => e.Key, e => new { status = e.Value.Status.ToString(), reason = e.Value.Description ?? e.Value.Exception?.Message }),
            }),
        });
    }

    /// <summary>Runs the service; a wrong setting is printed as one line for people, not as a stack trace.</summary>
    /// <returns>Exit code: 0, or 2 for wrong settings.</returns>
    public static async Task<int> RunServiceAsync(this WebApplication app)
    {
        try
        {
            // Before the host does it, which would build the bus first and log a stack trace.
            app.Services.GetService<IStartupValidator>()?.Validate();
            await app.RunAsync();
            return 0;
        }
        catch (Exception e) when (WrongSettings(e) is { Length: > 0 } wrong)
        {
            await Console.Error.WriteLineAsync($"Wrong settings: {string.Join(" ", wrong)} Set them in the environment, for instance Postgres__ConnectionString.");
            return 2;
        }
        catch (IOException e) when (e.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException)
        {
            await Console.Error.WriteLineAsync($"{e.Message} Stop the other program or set another address with Urls.");
            return 2;
        }
    }

    private static string[] WrongSettings(Exception e) => e switch
    {
        OptionsValidationException o => [.. o.Failures],
        AggregateException a when a.InnerExceptions.All(i => i is OptionsValidationException) => [.. a.InnerExceptions.SelectMany(WrongSettings)],
        // The bus wraps what went wrong while it was built.
        { InnerException: { } inner } => WrongSettings(inner),
        _ => [],
    };

    public static NpgsqlDataSource OpenDatabase(PostgresOptions options, string application)
    {
        var builder = new NpgsqlDataSourceBuilder(options.ConnectionString);
        builder.ConnectionStringBuilder.ApplicationName ??= $"imagesearch {application}";
        builder.ConnectionStringBuilder.MaxPoolSize = Math.Min(builder.ConnectionStringBuilder.MaxPoolSize, options.MaxConnections);
        builder.ConnectionStringBuilder.MaxAutoPrepare = 32;

        // The query service only reads and sets nothing beyond a transaction, so there is nothing to reset each time that it takes a connection.
        builder.ConnectionStringBuilder.NoResetOnClose = application == "query";
        return builder.Build();
    }

    private static void AddTelemetry(this IServiceCollection services, IConfiguration configuration, string service)
    {
        var resource = ResourceBuilder.CreateDefault().AddService($"imagesearch-{service}", serviceVersion: Assembly.GetEntryAssembly()?.GetName().Version?.ToString());
        var export = configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is { Length: > 0 };

        // The provider listens even without an exporter: the trace id travels with every message and is kept with failures.
        services.AddSingleton(_ =>
        {
            var traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource)
                .AddSource("MassTransit", "Npgsql", "Microsoft.AspNetCore", "System.Net.Http", "ImageSearch");
            return (export ? traces.AddOtlpExporter() : traces).Build();
        });
        services.AddSingleton<MetricsText>();
        services.AddSingleton(p =>
        {
            var metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter("MassTransit", "Npgsql", "Microsoft.AspNetCore.Hosting", "System.Runtime", "ImageSearch");
            metrics.AddReader(p.GetRequiredService<MetricsText>().Reader);
            return (export ? metrics.AddOtlpExporter() : metrics).Build();
        });
        services.AddHostedService<TelemetryStart>();
    }

    private sealed class TelemetryStart(TracerProvider traces, MeterProvider metrics) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            traces.ForceFlush(2000);
            metrics.ForceFlush(2000);
            return Task.CompletedTask;
        }
    }

    private sealed class DatabaseHealth(NpgsqlDataSource db) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                var pending = await Migrator.PendingAsync(db, cancellationToken);
                if (pending.Count > 0)
                {
                    return HealthCheckResult.Unhealthy($"The database lacks migrations ({string.Join(", ", pending)}): run `imagesearch provision`.");
                }

                // Still ready (Degraded answers 200): in a rolling upgrade the old replicas work on until the new ones have taken over.
                return await Migrator.UnknownAsync(db, cancellationToken) is [_, ..] unknown
                    ? HealthCheckResult.Degraded($"The database was made by a newer build (migration {unknown[^1]}): start this service in that version.")
                    : HealthCheckResult.Healthy();
            }
            catch (Exception e) when (e is NpgsqlException or System.Net.Sockets.SocketException or TimeoutException)
            {
                return HealthCheckResult.Unhealthy($"PostgreSQL does not answer: {e.Message} Check Postgres:ConnectionString and that the server runs.");
            }
        }
    }

    private sealed class ObjectStoreHealth(ObjectStore store) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                await store.HeadAsync(store.Options.DerivedBucket, "health", cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (Exception e) when (e is Amazon.Runtime.AmazonServiceException or HttpRequestException or OperationCanceledException)
            {
                return HealthCheckResult.Unhealthy($"The object store does not answer: {e.Message} Check ObjectStore:Endpoint and its keys.");
            }
        }
    }
}
