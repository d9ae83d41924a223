using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Benchmarks.Pipeline;

/// <summary>When each stage wrote its result for one picture, by the database's clock (start of the transaction).</summary>
/// <param name="EncodeMilliseconds">What the codec says that it worked.</param>
/// <param name="CaptionMilliseconds">What the captioner says that it worked, all regions.</param>
public sealed record PictureTimes(
    ImageId Id, DateTime Registered, DateTime Encoded, DateTime Embedded, DateTime Captioned, double EncodeMilliseconds, double CaptionMilliseconds)
{
    public DateTime Searchable => new[] { Encoded, Embedded, Captioned }.Max();

    /// <summary>Of the pictures that every stage is done with.</summary>
    public static async Task<IReadOnlyList<PictureTimes>> ReadAsync(NpgsqlDataSource db, IEnumerable<ImageId> ids, CancellationToken ct)
    {
        await using var command = db.CreateCommand("""
            SELECT i.sha256, i.created_at, b.created_at, e.created_at, c.at, b.encode_ms, c.ms
            FROM images i JOIN bitstreams b ON b.image_id = i.id
            JOIN embeddings e ON e.image_id = i.id AND e.model_id = (SELECT id FROM embedding_models WHERE state = 'active')
            JOIN LATERAL (SELECT max(created_at) AS at, sum(milliseconds) AS ms FROM captions WHERE image_id = i.id HAVING count(*) > 0) c ON true
            WHERE i.sha256 = ANY($1)
            """);
        command.Parameters.Add(new() { Value = ids.Select(i => i.ToBytes()).ToArray() });
        List<PictureTimes> times = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            times.Add(new(ImageId.FromBytes(reader.GetFieldValue<byte[]>(0)), reader.GetDateTime(1), reader.GetDateTime(2), reader.GetDateTime(3), reader.GetDateTime(4), reader.GetFloat(5), reader.GetFloat(6)));
        }

        return times;
    }
}
