using System.ComponentModel.DataAnnotations;
using Npgsql;

namespace ImageSearch.Hosting;

/// <summary>Settings section "Postgres".</summary>
public sealed class PostgresOptions : IValidatableObject
{
    public const string Section = "Postgres";

    /// <summary>Npgsql connection string.</summary>
    [Required]
    public string ConnectionString { get; set; } = "";

    /// <summary>Connections that one service keeps at most.</summary>
    [Range(2, 500)]
    public int MaxConnections { get; set; } = 16;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        string? wrong = null;
        try
        {
            wrong = new NpgsqlConnectionStringBuilder(ConnectionString).Host is { Length: > 0 } ? null : "it names no Host.";
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException)
        {
            // The message may quote a value, which may be the password.
            wrong = "it is no list of NAME=VALUE that Npgsql knows.";
        }

        return wrong is null ? [] : [new ValidationResult($"The field ConnectionString is wrong: {wrong} Write Host=HOST;Port=5432;Username=USER;Password=...;Database=imagesearch.", [nameof(ConnectionString)])];
    }
}

/// <summary>Settings section "RabbitMq".</summary>
public sealed class RabbitMqOptions
{
    public const string Section = "RabbitMq";

    /// <summary><c>amqp://user:password@host:port/vhost</c>; amqps for TLS.</summary>
    [Required, RegularExpression("^amqps?://.+")]
    public string Uri { get; set; } = "";

    /// <summary>Management API, <c>http://host:15672</c>; needed by operator for queue depths.</summary>
    public string? ManagementUri { get; set; }
}

/// <summary>Settings section "ObjectStore": any S3 store.</summary>
public sealed class ObjectStoreOptions
{
    public const string Section = "ObjectStore";

    /// <summary><c>http(s)://host:port</c> of the S3 API.</summary>
    [Required, Url]
    public string Endpoint { get; set; } = "";

    [Required]
    public string AccessKey { get; set; } = "";

    [Required]
    public string SecretKey { get; set; } = "";

    public string Region { get; set; } = "us-east-1";

    /// <summary>Pictures are put here, by anyone; its notifications start the pipeline.</summary>
    [Required]
    public string UploadBucket { get; set; } = "images";

    /// <summary>Bitstreams and thumbnails; only services write here.</summary>
    [Required]
    public string DerivedBucket { get; set; } = "imagesearch";

    /// <summary>
    /// ARN that the upload bucket notifies, where it exists already (MinIO: <c>arn:minio:sqs::PRIMARY:amqp</c>). Empty: provisioning creates an SNS
    /// topic on the store that pushes to RabbitMQ (Ceph).
    /// </summary>
    public string? NotificationArn { get; set; }
}
