using System.Text.RegularExpressions;
using ImageSearch.Contracts;

namespace ImageSearch.Pipeline.Tests;

/// <summary>What the deployment files and the documentation set is read by the code: a misspelt setting would be ignored without a word.</summary>
public sealed partial class SettingsTests
{
    /// <summary>Read by themselves and not through an options class.</summary>
    private static readonly string[] Others = ["Urls", "Logging:Format", .. ((string[])["query", "ingest", "codec", "embedder", "captioner", "operator"]).Select(s => "Services:" + s)];

    private static readonly Lazy<Dictionary<string, HashSet<string>>> Sections = new(ReadSections);

    public static TheoryData<string> DeploymentFiles =>
    [
        "compose.yaml", "deploy/docker/Dockerfile", "deploy/local/services.sh",
        .. Directory.GetFiles(Checkout.File("deploy/kubernetes"), "*.yaml", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Checkout.Root, f)),
    ];

    public static TheoryData<string> Pages =>
        ["README.md", "deploy/docker/README.md", "deploy/local/README.md", .. Directory.GetFiles(Checkout.File("docs"), "*.md").Select(f => Path.GetRelativePath(Checkout.Root, f))];

    [Theory, MemberData(nameof(DeploymentFiles))]
    public void Every_variable_of_a_deployment_file_is_a_setting(string file) =>
        Assert.All(EnvironmentName().Matches(File.ReadAllText(Checkout.File(file))).Select(m => m.Value.Replace("__", ":", StringComparison.Ordinal)),
            name => Assert.True(IsSetting(name), $"{file} sets {name}, which nothing reads"));

    [Theory, MemberData(nameof(Pages))]
    public void Every_setting_that_the_documentation_names_exists(string page) =>
        Assert.All(SettingInText().Matches(File.ReadAllText(Checkout.File(page))).Where(m => Sections.Value.ContainsKey(m.Groups[1].Value)).Select(m => m.Value.Trim('`')),
            name => Assert.True(IsSetting(name), $"{page} names {name}, which nothing reads"));

    [Fact]
    public void The_deployment_files_do_set_what_every_service_needs()
    {
        var compose = File.ReadAllText(Checkout.File("compose.yaml"));
        string[] needed = ["Postgres__ConnectionString", "RabbitMq__Uri", "ObjectStore__Endpoint", "ObjectStore__AccessKey", "ObjectStore__SecretKey"];
        Assert.All(needed, n => Assert.Contains(n + ":", compose));
        var kubernetes = string.Concat(Directory.GetFiles(Checkout.File("deploy/kubernetes/base"), "*.yaml").Select(File.ReadAllText));
        Assert.All(needed, n => Assert.Contains(n, kubernetes));
    }

    [Fact]
    public void Workers_scale_by_queues_that_exist()
    {
        var queues = Regex.Matches(File.ReadAllText(Checkout.File("deploy/kubernetes/base/autoscaling.yaml")), @"queueName: ([\w-]+)").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal([Queues.Captioner, Queues.Codec, Queues.Embedder], queues.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Containers_run_without_root_on_a_file_system_that_they_cannot_write_from_pinned_images()
    {
        var kubernetes = File.ReadAllText(Checkout.File("deploy/kubernetes/base/services.yaml")) + File.ReadAllText(Checkout.File("deploy/kubernetes/base/provision.yaml"))
            + File.ReadAllText(Checkout.File("deploy/kubernetes/cli.yaml"));
        var containers = Regex.Count(kubernetes, @"^ +image: ", RegexOptions.Multiline);
        Assert.Equal(8, containers);
        Assert.Equal(containers, Regex.Count(kubernetes, "readOnlyRootFilesystem: true, capabilities: { drop: \\[ALL\\] }"));
        Assert.Equal(containers, Regex.Count(kubernetes, "runAsNonRoot: true, runAsUser: [1-9]"));

        var compose = File.ReadAllText(Checkout.File("compose.yaml"));
        Assert.Contains("read_only: true", compose);
        var built = Regex.Matches(compose, @"^  (\w+):\n    <<: \*(service|hardened)\n(?:    .*\n)*?    build: ", RegexOptions.Multiline).Select(m => m.Groups[1].Value);
        Assert.Equal(["provision", "ingest", "codec", "embedder", "captioner", "query", "operator"], built);

        var recipe = File.ReadAllText(Checkout.File("deploy/docker/Dockerfile"));
        Assert.Contains("\nUSER $APP_UID\n", recipe);
        var arguments = Regex.Matches(recipe, @"^ARG (\w+)=(\S+)", RegexOptions.Multiline).ToDictionary(m => "${" + m.Groups[1].Value + "}", m => m.Groups[2].Value);
        var images = Regex.Matches(recipe + compose, @"^(?:FROM| +image:) +(\S+)", RegexOptions.Multiline).Select(m => arguments.Aggregate(m.Groups[1].Value, (text, a) => text.Replace(a.Key, a.Value, StringComparison.Ordinal))).ToList();
        Assert.True(images.Count >= 7);
        Assert.All(images, image => Assert.Matches(@":(\D*)\d+[.\d-]*\.\d+.*|:RELEASE\.\d{4}-\d\d-\d\d", image));
    }

    private static bool IsSetting(string name) =>
        Others.Contains(name) || (name.Split(':') is [var section, var property, ..] && Sections.Value.TryGetValue(section, out var known) && known.Contains(property));

    /// <summary>Every class with a section name, from the sources, with what it can be set to.</summary>
    private static Dictionary<string, HashSet<string>> ReadSections()
    {
        Dictionary<string, HashSet<string>> sections = [];
        foreach (var file in ((string[])["services", "shared"]).SelectMany(f => Directory.GetFiles(Checkout.File(f), "*.cs", SearchOption.AllDirectories)))
        {
            foreach (var part in File.ReadAllText(file).Split("const string Section = \"").Skip(1))
            {
                var section = part[..part.IndexOf('"', StringComparison.Ordinal)].Replace("__", ":", StringComparison.Ordinal);
                var body = part.Split("\n}\n")[0];
                var (top, rest) = section.Split(':') is [var a, var b] ? (a, b) : (section, null);
                var properties = rest is null ? Property().Matches(body).Select(m => m.Groups[1].Value) : [rest];
                (sections.TryGetValue(top, out var known) ? known : sections[top] = []).UnionWith(properties);
            }
        }

        return sections;
    }

    [GeneratedRegex(@"\b[A-Z][A-Za-z0-9]+__[A-Za-z0-9]+(__[A-Za-z0-9]+)*\b")]
    private static partial Regex EnvironmentName();

    [GeneratedRegex(@"`([A-Z][A-Za-z0-9]+):([A-Za-z0-9]+)(:[A-Za-z0-9]+)*`")]
    private static partial Regex SettingInText();

    [GeneratedRegex(@"public (?:required )?[\w<>\[\]?., ]+ (\w+) \{ get; (?:set|init);")]
    private static partial Regex Property();
}
