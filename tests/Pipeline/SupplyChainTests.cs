using System.IO.Compression;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace ImageSearch.Pipeline.Tests;

/// <summary>What the product is made of is written down, and a build takes exactly that. No network is used.</summary>
public sealed class SupplyChainTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("locked").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task The_bill_of_materials_and_the_licence_page_are_what_the_lock_files_give()
    {
        var (code, output) = await Checkout.RunAsync("bash", Checkout.File("deploy/sbom.sh"), "--check");
        Assert.True(code == 0, output);
    }

    [Fact]
    public void Every_part_of_the_bill_of_materials_has_a_licence_that_the_licence_page_names()
    {
        var page = File.ReadAllText(Checkout.File("docs/licences.md"));
        var parts = JsonNode.Parse(File.ReadAllText(Checkout.File("docs/sbom.json")))!["components"]!.AsArray().Select(c => c!).ToList();
        Assert.True(parts.Count > 80);
        Assert.All(parts.Where(p => p["type"]!.ToString() != "container"), part =>
        {
            var licence = string.Join(", ", part["licenses"]!.AsArray().Select(l => l!["expression"]?.ToString() ?? l["license"]!["id"]!.ToString()));
            Assert.Contains($"| `{part["name"]}` | {part["version"]} | {licence} |", page);
        });
    }

    [Fact]
    public void Everything_from_npm_is_locked_with_its_checksum()
    {
        var wanted = JsonNode.Parse(File.ReadAllText(Checkout.File("package.json")))!["dependencies"]!.AsObject();
        var locked = JsonNode.Parse(File.ReadAllText(Checkout.File("package-lock.json")))!["packages"]!.AsObject();
        Assert.Equal(wanted.ToJsonString(), locked[""]!["dependencies"]!.ToJsonString());
        Assert.All(wanted, p =>
        {
            var entry = locked["node_modules/" + p.Key]!;
            Assert.Equal(p.Value!.ToString(), entry["version"]!.ToString());
            Assert.StartsWith("sha512-", entry["integrity"]!.ToString());
        });
    }

    [Fact]
    public async Task A_native_part_with_another_checksum_is_not_used()
    {
        // In npm's place a program that hands out something else.
        Write("bin/npm", "#!/bin/sh\necho other >other.tgz\necho other.tgz\n");
        await Checkout.RunAsync("chmod", "+x", Path.Combine(folder, "bin/npm"));
        var cache = Path.Combine(folder, "cache");
        var (code, output) = await Checkout.RunAsync("bash", "-c", $"PATH='{folder}/bin':$PATH IMAGESEARCH_CACHE='{cache}' bash '{Checkout.File("deploy/local/native.sh")}'");
        Assert.Equal(1, code);
        Assert.Contains("has SHA-512", output);
        Assert.DoesNotContain(Directory.GetDirectories(cache), d => Path.GetFileName(d).StartsWith("onnxruntime", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_lock_file_that_does_not_fit_its_project_stops_the_build_and_says_what_to_do()
    {
        Package("Some.Part", "1.0.0");
        Project(wanted: "1.0.0", lockedVersion: "1.0.0", hash: "AAAA", lockedName: "Another.Part");
        var (code, output) = await BuildAsync();
        Assert.Equal(1, code);
        Assert.Contains("packages.lock.json does not fit its project (NU1004): product/product.csproj", output);
        Assert.Contains("dotnet restore ImageSearch.sln, then deploy/sbom.sh", output);
    }

    [Fact]
    public async Task A_package_with_another_checksum_stops_the_build()
    {
        Package("Some.Part", "1.0.0");
        var wrong = Convert.ToBase64String(new byte[64]);
        Project(wanted: "1.0.0", lockedVersion: "1.0.0", hash: wrong);
        var (code, output) = await BuildAsync();
        Assert.Equal(1, code);
        Assert.Contains("its checksum differs (NU1403)", output);
        Assert.Contains("Some.Part", output);
        Assert.Contains(wrong, File.ReadAllText(Path.Combine(folder, "product/packages.lock.json")));
    }

    [Fact]
    public async Task Where_the_source_lacks_a_version_the_build_says_so_and_can_be_told_to_take_the_next_one()
    {
        Package("Some.Part", "1.0.1");
        Project(wanted: "1.0.0", lockedVersion: "1.0.0", hash: Convert.ToBase64String(new byte[64]));
        var before = File.ReadAllText(Path.Combine(folder, "product/packages.lock.json"));
        var (code, output) = await BuildAsync();
        Assert.Equal(1, code);
        Assert.Contains("lacks a package in the version of packages.lock.json", output);
        Assert.Contains("IMAGESEARCH_LOCKED=no", output);

        (code, output) = await BuildAsync("IMAGESEARCH_LOCKED=no");
        Assert.True(code == 0, output);
        Assert.Equal(before, File.ReadAllText(Path.Combine(folder, "product/packages.lock.json")));
    }

    [Fact]
    public void The_container_build_copies_every_project_that_services_and_command_line_are_made_of()
    {
        var recipe = File.ReadAllText(Checkout.File("deploy/docker/Dockerfile"));
        var allowed = File.ReadAllLines(Checkout.File("deploy/docker/Dockerfile.dockerignore"));
        var copied = Regex.Matches(recipe, @"^COPY (?!--)(\S+) \1$", RegexOptions.Multiline).Select(m => m.Groups[1].Value).ToList();
        var todo = new Queue<string>(Directory.GetFiles(Checkout.File("services"), "*.csproj", SearchOption.AllDirectories).Append(Checkout.File("tools/cli/ImageSearch.Cli.csproj")));
        HashSet<string> seen = [];
        while (todo.TryDequeue(out var project))
        {
            if (!seen.Add(project))
            {
                continue;
            }

            var path = Path.GetRelativePath(Checkout.Root, project);
            Assert.Contains(copied, c => path.StartsWith(c + "/", StringComparison.Ordinal));
            Assert.Contains(allowed, a => a.StartsWith('!') && path.StartsWith(a[1..] + "/", StringComparison.Ordinal));
            foreach (Match reference in Regex.Matches(File.ReadAllText(project), "ProjectReference Include=\"([^\"]+)\""))
            {
                todo.Enqueue(Path.GetFullPath(reference.Groups[1].Value.Replace('\\', '/'), Path.GetDirectoryName(project)!));
            }
        }

        Assert.True(seen.Count > 15);
    }

    /// <summary>A checkout of one project that wants Some.Part, its package source, and a cache of its own.</summary>
    private void Project(string wanted, string lockedVersion, string hash, string lockedName = "Some.Part")
    {
        File.Copy(Checkout.File("Directory.Build.props"), Path.Combine(folder, "Directory.Build.props"));
        Write("nuget.config", "<configuration><packageSources><clear /><add key=\"here\" value=\"source\" /></packageSources></configuration>");
        Write("product/product.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><UseAppHost>false</UseAppHost></PropertyGroup>
            <ItemGroup><PackageReference Include="Some.Part" Version="{wanted}" /></ItemGroup></Project>
            """);
        Write("product/packages.lock.json", $$"""
            { "version": 1, "dependencies": { "net10.0": { "{{lockedName}}": { "type": "Direct", "requested": "[{{wanted}}, )", "resolved": "{{lockedVersion}}", "contentHash": "{{hash}}" } } } }
            """);
    }

    private void Package(string name, string version)
    {
        Directory.CreateDirectory(Path.Combine(folder, "source"));
        using var package = ZipFile.Open(Path.Combine(folder, "source", $"{name}.{version}.nupkg"), ZipArchiveMode.Create);
        using var spec = new StreamWriter(package.CreateEntry($"{name}.nuspec").Open());
        spec.Write($"<package><metadata><id>{name}</id><version>{version}</version><authors>tests</authors><description>Nothing.</description></metadata></package>");
    }

    private Task<(int Code, string Output)> BuildAsync(string environment = "") => Checkout.RunAsync("bash", "-c", $"""
        set -euo pipefail
        for part in lib build; do . '{Checkout.File("deploy/local")}'/$part.sh; done
        CHECKOUT='{folder}'
        {environment}
        export NUGET_PACKAGES='{folder}/packages'
        build product built
        """);

    private void Write(string path, string text)
    {
        var full = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
