using ImageSearch.Captioner.Chat;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ImageSearch.Captioner.Tests;

public class OptionsTests
{
    [Theory]
    [InlineData("Captioner:Grid", "4x4")]
    [InlineData("Captioner:Overlap", "0.9")]
    [InlineData("Captioner:PauseMinutes", "40")]
    [InlineData("Captioner:Chat:BaseAddress", "localhost")]
    [InlineData("Captioner:Chat:Model", "")]
    [InlineData("Captioner:Chat:JsonMode", "xml")]
    [InlineData("Captioner:Chat:PromptVersion", "v99")]
    [InlineData("Captioner:Chat:ApiKeyFile", "/no/such/file")]
    [InlineData("Captioner:Chat:LongestSide", "10")]
    public void A_wrong_setting_is_named(string name, string value)
    {
        var e = Assert.Throws<OptionsValidationException>(() => Read(name, value));

        Assert.Contains(name, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_key_may_lie_in_a_file()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "sk-secret\n");
        try
        {
            Assert.Equal("sk-secret", Read("Captioner:Chat:ApiKeyFile", file).ReadKey());
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static ChatOptions Read(string name, string value)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Captioner:Kind"] = "mllm",
            ["Captioner:Chat:BaseAddress"] = "http://127.0.0.1:1/v1",
            ["Captioner:Chat:Model"] = "m",
            [name] = value,
        }).Build();
        using var services = new ServiceCollection().AddSingleton<IConfiguration>(configuration).AddCaptioning(configuration).BuildServiceProvider();
        _ = services.GetRequiredService<IOptions<CaptionerOptions>>().Value;
        return services.GetRequiredService<IOptions<ChatOptions>>().Value;
    }
}
