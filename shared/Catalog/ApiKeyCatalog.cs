using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace ImageSearch.Catalog;

/// <param name="Id">Public part of the key, 8 characters.</param>
public sealed record ApiKey(string Id, string Name, string[] Scopes, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt, DateTimeOffset? RevokedAt);

/// <summary>API keys: <c>isk_ID_SECRET</c>, 256 random bits in the secret, of which only the SHA-256 is stored.</summary>
public sealed class ApiKeyCatalog(NpgsqlDataSource db)
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

    /// <returns>The whole key; it cannot be shown again.</returns>
    public async Task<(ApiKey Key, string Secret)> CreateAsync(string name, string[] scopes, CancellationToken ct = default)
    {
        var id = RandomNumberGenerator.GetString(Alphabet, 8);
        var secret = $"isk_{id}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))}";
        await using var command = db.CreateCommand("INSERT INTO api_keys (id, name, scopes, sha256) VALUES ($1, $2, $3, $4) RETURNING created_at");
        foreach (var value in (object[])[id, name, scopes, Hash(secret)])
        {
            command.Parameters.Add(new() { Value = value });
        }

        var created = new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
        return (new(id, name, scopes, created, null, null), secret);
    }

    /// <summary>
    /// The key that this secret belongs to; null if it is unknown, wrong or revoked. Whatever is wrong, the cost is the same: one look-up, one hash, one
    /// comparison in constant time.
    /// </summary>
    public async Task<ApiKey?> FindAsync(string secret, CancellationToken ct = default)
    {
        var id = secret.Split('_') is ["isk", { Length: 8 } named, _] ? named : "";
        await using var command = db.CreateCommand("SELECT id, name, scopes, created_at, last_used_at, revoked_at, sha256 FROM api_keys WHERE id = $1 AND revoked_at IS NULL");
        command.Parameters.Add(new() { Value = id });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = await reader.ReadAsync(ct);
        var same = CryptographicOperations.FixedTimeEquals(found ? reader.GetFieldValue<byte[]>(6) : new byte[SHA256.HashSizeInBytes], Hash(secret));
        return found && same ? Read(reader) : null;
    }

    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT id, name, scopes, created_at, last_used_at, revoked_at FROM api_keys ORDER BY created_at");
        List<ApiKey> keys = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            keys.Add(Read(reader));
        }

        return keys;
    }

    /// <returns>False if there is no such key in force.</returns>
    public async Task<bool> RevokeAsync(string id, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL");
        command.Parameters.Add(new() { Value = id });
        return await command.ExecuteNonQueryAsync(ct) > 0;
    }

    /// <summary>Records use, at most once a minute for each key.</summary>
    public async Task UsedAsync(string id, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("UPDATE api_keys SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')");
        command.Parameters.Add(new() { Value = id });
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task<bool> AnyAsync(string scope, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("SELECT EXISTS (SELECT FROM api_keys WHERE revoked_at IS NULL AND $1 = ANY(scopes))");
        command.Parameters.Add(new() { Value = scope });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    private static ApiKey Read(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetFieldValue<string[]>(2), r.GetFieldValue<DateTimeOffset>(3),
        r.IsDBNull(4) ? null : r.GetFieldValue<DateTimeOffset>(4), r.IsDBNull(5) ? null : r.GetFieldValue<DateTimeOffset>(5));

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
