using ImageSearch.Captioner.Chat;
using ImageSearch.Tests.Servers;

namespace ImageSearch.Captioner.Tests;

/// <summary>Settings that point the captioner at a <see cref="FakeChatServer"/>.</summary>
internal static class FakeChatOptions
{
    public static ChatOptions Options(this FakeChatServer server, Action<ChatOptions>? change = null)
    {
        var options = new ChatOptions { BaseAddress = server.BaseAddress, Model = "fake-vision", RetrySeconds = 0.01, BreakSeconds = 0.5, LongestSide = 128 };
        change?.Invoke(options);
        return options;
    }
}
