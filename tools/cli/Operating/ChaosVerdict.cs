using System.Security.Cryptography;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using Npgsql;

namespace ImageSearch.Cli.Operating;

/// <summary>Looks, without any service, whether every picture has exactly one of everything.</summary>
internal sealed class ChaosVerdict(NpgsqlDataSource db, ObjectStore store)
{
    /// <param name="expected">Keys under the prefix, with the id of their content.</param>
    /// <returns>What is wrong, one line each; empty if all is well.</returns>
    public async Task<List<string>> JudgeAsync(string prefix, IReadOnlyDictionary<string, ImageId> expected, CancellationToken ct)
    {
        List<string> wrong = [];
        var known = await KnownAsync(prefix, ct);
        wrong.AddRange(expected.Keys.Except(known.Keys).Select(k => $"{k} is not in the catalogue"));
        wrong.AddRange(known.Keys.Except(expected.Keys).Select(k => $"{k} is in the catalogue, but was deleted"));
        wrong.AddRange(known.Where(k => expected.TryGetValue(k.Key, out var id) && id.Hex != k.Value).Select(k => $"{k.Key} has the content of another picture in the catalogue"));
        await using var command = db.CreateCommand("""
            SELECT i.sha256, (SELECT count(*) FROM bitstreams b WHERE b.image_id = i.id), b.key, b.sha256, b.thumbnail_key,
                (SELECT count(*) FROM embeddings e JOIN embedding_models m ON m.id = e.model_id AND m.state = 'active' WHERE e.image_id = i.id),
                (SELECT count(*) FROM captions c WHERE c.image_id = i.id AND c.region = 0), (SELECT count(*) FROM lexical_documents l WHERE l.image_id = i.id)
            FROM images i LEFT JOIN bitstreams b ON b.image_id = i.id WHERE i.sha256 = ANY($1)
            """);
        command.Parameters.Add(new() { Value = expected.Values.Distinct().Select(i => i.ToBytes()).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var images = 0;
        while (await reader.ReadAsync(ct))
        {
            images++;
            var id = ImageId.FromBytes(reader.GetFieldValue<byte[]>(0));
            foreach (var (what, column) in (IEnumerable<(string, int)>)[("bitstreams", 1), ("vectors", 5), ("captions", 6), ("lexical documents", 7)])
            {
                if (reader.GetInt64(column) != 1)
                {
                    wrong.Add($"image {id} has {reader.GetInt64(column)} {what}");
                }
            }

            if (reader.GetInt64(1) == 1)
            {
                var stream = await store.GetAsync(store.Options.DerivedBucket, reader.GetString(2), ct: ct);
                if (stream is not { } read || !SHA256.HashData(read.Content).AsSpan().SequenceEqual(reader.GetFieldValue<byte[]>(3)))
                {
                    wrong.Add($"the bitstream of image {id} is missing or damaged");
                }

                if (await store.HeadAsync(store.Options.DerivedBucket, reader.GetString(4), ct) is null)
                {
                    wrong.Add($"the thumbnail of image {id} is missing");
                }
            }
        }

        var distinct = expected.Values.Distinct().Count();
        if (images != distinct)
        {
            wrong.Add($"{distinct} different pictures lie in the bucket, {images} of them are registered");
        }

        return wrong;
    }

    private async Task<Dictionary<string, string>> KnownAsync(string prefix, CancellationToken ct)
    {
        await using var command = db.CreateCommand("SELECT o.key, i.sha256 FROM objects o JOIN images i ON i.id = o.image_id WHERE o.bucket = $1 AND starts_with(o.key, $2)");
        command.Parameters.Add(new() { Value = store.Options.UploadBucket });
        command.Parameters.Add(new() { Value = prefix });
        Dictionary<string, string> known = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            known[reader.GetString(0)] = Convert.ToHexStringLower(reader.GetFieldValue<byte[]>(1));
        }

        return known;
    }
}
