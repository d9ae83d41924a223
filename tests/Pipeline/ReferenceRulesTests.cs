using System.Xml.Linq;

namespace ImageSearch.Pipeline.Tests;

/// <summary>Who may reference whom.</summary>
public sealed class ReferenceRulesTests
{
    [Fact]
    public void A_service_references_shared_projects_and_never_another_service()
    {
        var services = Projects("services").ToList();
        Assert.Equal(6, services.Count);
        Assert.All(services, p => Assert.All(References(p), r => Assert.StartsWith("shared/", r)));
    }

    [Fact]
    public void Contracts_references_nothing()
    {
        var project = Assert.Single(Projects("shared/Contracts"));
        Assert.Empty(References(project));
        Assert.Empty(Packages(project));
    }

    [Theory]
    [InlineData("Compression")]
    [InlineData("Imaging")]
    [InlineData("Inference")]
    [InlineData("Models")]
    public void Libraries_know_no_infrastructure(string library)
    {
        var project = Assert.Single(Projects($"shared/{library}"));
        Assert.All(References(project), r => Assert.Contains(r, (string[])["shared/Imaging", "shared/Models", "shared/OnnxRuntime"]));
        Assert.DoesNotContain(Packages(project), p => p.StartsWith("MassTransit") || p.StartsWith("AWSSDK") || p.StartsWith("Npgsql") || p.StartsWith("Microsoft.Extensions"));
    }

    [Fact]
    public void The_catalogue_references_contracts_only() =>
        Assert.Equal(["shared/Contracts"], References(Assert.Single(Projects("shared/Catalog"))));

    private static IEnumerable<string> Projects(string folder) =>
        Directory.EnumerateFiles(Checkout.File(folder), "*.csproj", SearchOption.AllDirectories);

    private static string[] References(string project) =>
        [.. XDocument.Load(project).Descendants("ProjectReference")
            .Select(r => Path.GetDirectoryName(Path.GetRelativePath(Checkout.Root, Path.GetFullPath(r.Attribute("Include")!.Value.Replace('\\', '/'), Path.GetDirectoryName(project)!)))!)];

    private static string[] Packages(string project) =>
        [.. XDocument.Load(project).Descendants("PackageReference").Select(r => r.Attribute("Include")!.Value)];
}
