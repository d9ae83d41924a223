using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Journeys.Tests;

/// <summary>Any process may die at any moment; at the end each picture has exactly one of everything.</summary>
[Collection("system")]
public sealed class CrashJourneys(RunningSystem system)
{
    [Theory]
    [InlineData("ingest")]
    [InlineData("codec")]
    [InlineData("embedder")]
    [InlineData("captioner")]
    public async Task Killing_a_service_in_the_middle_of_uploads_loses_and_doubles_nothing(string service)
    {
        var pictures = Enumerable.Range(0, 24).Select(i => TestPictures.Jpeg(1000 + i + (service.Length * 1000) + (service[0] * 10_000), 200, 150)).ToArray();
        var ids = pictures.Select(p => ImageId.Of(p)).ToHashSet();
        for (var i = 0; i < pictures.Length; i++)
        {
            await system.Store.PutAsync(system.UploadBucket, $"crash/{service}/{i}.jpg", pictures[i], "image/jpeg");
            if (i == pictures.Length / 2)
            {
                await system.KillAsync(service);
            }
        }

        system.Start(service);
        await system.SearchableAsync(ids, seconds: 240);

        await using var command = system.Database.CreateCommand("""
            SELECT count(*) FILTER (WHERE (SELECT count(*) FROM bitstreams b WHERE b.image_id = i.id) = 1
                                      AND (SELECT count(*) FROM embeddings e WHERE e.image_id = i.id) = 1
                                      AND (SELECT count(*) FROM captions c WHERE c.image_id = i.id AND c.region = 0) = 1)
            FROM images i WHERE sha256 = ANY($1)
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = ids.Select(i => i.ToBytes()).ToArray() });
        Assert.Equal((long)ids.Count, await command.ExecuteScalarAsync());

        List<string> streams = [];
        await foreach (var o in system.Store.ListAsync(system.Store.Options.DerivedBucket, ObjectKeys.BitstreamPrefix))
        {
            if (ObjectKeys.ImageOf(o.Key) is { } id && ids.Contains(id))
            {
                streams.Add(o.Key);
            }
        }

        Assert.Equal(ids.Count, streams.Count);
    }
}
