using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Hosting.Security;

/// <summary>Settings section "Security".</summary>
public sealed class SecurityOptions
{
    public const string Section = "Security";

    /// <summary>
    /// Ask for API keys: <c>beyond-loopback</c> (if the service listens on anything but loopback), <c>always</c>, or <c>never</c> (something in front of the
    /// service decides who comes in, for instance a published port bound to loopback).
    /// </summary>
    [RegularExpression("^(beyond-loopback|always|never)$")]
    public string RequireKeys { get; set; } = "beyond-loopback";

    /// <summary>Requests per minute of one key, or of one address without a key.</summary>
    [Range(1, 10_000_000)]
    public int RequestsPerMinute { get; set; } = 60_000;

    /// <summary>
    /// Wrong keys per minute from one address (of IPv6: one /64 network); after that, keys that are not in use at this moment are refused from there for a
    /// while, unseen. Behind a reverse proxy all clients share one address.
    /// </summary>
    [Range(1, 1_000_000)]
    public int WrongKeysPerMinute { get; set; } = 30;

    /// <summary>Requests of one key (or address) at once; more wait in a queue of the same length, then get 429.</summary>
    [Range(1, 10_000)]
    public int ConcurrentRequests { get; set; } = 32;
}

/// <summary>What a key may do.</summary>
public static class Scopes
{
    public const string Upload = "upload";
    public const string Search = "search";
    public const string Operate = "operate";

    public static readonly IReadOnlyList<string> All = [Upload, Search, Operate];
}
