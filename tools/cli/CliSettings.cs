using System.ComponentModel.DataAnnotations;
using ImageSearch.Hosting;
using ImageSearch.Models;
using Microsoft.Extensions.Configuration;

namespace ImageSearch.Cli;

/// <summary>What the user can mend: printed as one line, exit code 1.</summary>
public sealed class CliException(string message) : Exception(message);

/// <summary>The same settings as the services', from the environment; <c>./imagesearch</c> hands them over for the running stack.</summary>
public static class CliSettings
{
    public static IConfiguration Configuration { get; } = new ConfigurationBuilder().AddEnvironmentVariables().Build();

    public static PostgresOptions Postgres => Bind<PostgresOptions>(PostgresOptions.Section, o => o.ConnectionString.Length > 0);

    public static RabbitMqOptions RabbitMq => Bind<RabbitMqOptions>(RabbitMqOptions.Section, o => o.Uri.Length > 0);

    public static ObjectStoreOptions ObjectStore => Bind<ObjectStoreOptions>(ObjectStoreOptions.Section, o => o.Endpoint.Length > 0);

    public static ModelsOptions Models => Bind<ModelsOptions>(ModelsOptions.Section, _ => true);

    /// <summary>Address of a service, from <c>Services__NAME</c>.</summary>
    public static Uri Service(string name) => Configuration[$"Services:{name}"] is { Length: > 0 } address
        ? new Uri(address)
        : throw new CliException($"The address of {name} is not known. Start the system with `./imagesearch up`, or set Services__{name}.");

    private static T Bind<T>(string section, Predicate<T> present)
        where T : class, new()
    {
        var options = new T();
        Configuration.GetSection(section).Bind(options);
        if (!present(options))
        {
            throw new CliException($"The setting {section} is missing. Start the system with `./imagesearch up`, or set {section}__... in the environment.");
        }

        // The services hold themselves to the same rules.
        List<ValidationResult> wrong = [];
        return Validator.TryValidateObject(options, new ValidationContext(options), wrong, validateAllProperties: true)
            ? options
            : throw new CliException($"Wrong settings in {section}: {string.Join(" ", wrong.Select(w => w.ErrorMessage))} They come from the environment: {section}__NAME.");
    }
}
