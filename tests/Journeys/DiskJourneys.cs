using ImageSearch.Contracts;
using Npgsql;

namespace ImageSearch.Journeys.Tests;

/// <summary>Disks run full under a system at work; once there is room again, it goes on by itself and nothing is lost.</summary>
[Collection("system")]
public sealed class DiskJourneys(RunningSystem system)
{
    [Fact]
    public async Task Pictures_that_come_while_the_disk_of_postgresql_is_full_are_searchable_once_there_is_room()
    {
        var last = await LastFailedAsync();
        ImageId[] ids;
        try
        {
            await system.Disk.FillAsync();
            ids = await UploadAsync("postgres", 90_000, count: 40);

            // Several messages must have used up their tries: the error queue is what holds them while nothing can be written. A few pictures may still fit into
            // pages that have room.
            await Task.Delay(TimeSpan.FromSeconds(20));
            Assert.NotEqual((long)ids.Length, await SearchableAsync(ids));
            var e = await Assert.ThrowsAsync<PostgresException>(async () =>
            {
                await using var command = system.Database.CreateCommand("CREATE TABLE more AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)");
                await command.ExecuteNonQueryAsync();
            });
            Assert.Equal(PostgresErrorCodes.DiskFull, e.SqlState);
        }
        finally
        {
            await system.Disk.FreeAsync();
        }

        await system.SearchableAsync(ids, seconds: 300);
        await NothingIsLeftFailedAsync(last);
    }

    [Fact]
    public async Task Pictures_that_come_while_the_store_takes_nothing_more_are_searchable_once_there_is_room()
    {
        // What fills is the derived bucket: codecs cannot write what they made.
        var before = await FailuresAsync();
        var last = await LastFailedAsync();
        ImageId[] ids;
        try
        {
            await system.Gateway.SetQuotaAsync(system.Store.Options.DerivedBucket, bytes: 4096);
            var full = await Assert.ThrowsAsync<Amazon.S3.AmazonS3Exception>(async () =>
            {
                for (var i = 0; i < 100; i++)
                {
                    await system.Store.PutAsync(system.Store.Options.DerivedBucket, $"ballast/{i}", new byte[1 << 20], "application/octet-stream");
                }
            });
            Assert.Equal("QuotaExceeded", full.ErrorCode);
            ids = await UploadAsync("store", 95_000, count: 12);
            await RunningSystem.Eventually(FailuresAsync, n => n > before, "a message that failed because the store is full");
            Assert.Equal(0, (await new Catalog.ProgressCatalog(system.Database).CountAsync(ids)).Searchable);
        }
        finally
        {
            await system.Gateway.SetQuotaAsync(system.Store.Options.DerivedBucket, bytes: null);
        }

        await system.SearchableAsync(ids, seconds: 300);
        await NothingIsLeftFailedAsync(last);
    }

    private async Task<ImageId[]> UploadAsync(string folder, int seed, int count)
    {
        var pictures = Enumerable.Range(0, count).Select(i => TestPictures.Jpeg(seed + i, 160, 120)).ToArray();
        for (var i = 0; i < pictures.Length; i++)
        {
            await system.Store.PutAsync(system.UploadBucket, $"disk/{folder}/{i}.jpg", pictures[i], "image/jpeg");
        }

        return [.. pictures.Select(p => ImageId.Of(p))];
    }

    /// <returns>0 also where a full disk lets nobody connect: for new connections PostgreSQL writes a file whenever its own catalogue has changed.</returns>
    private async Task<long> SearchableAsync(ImageId[] ids)
    {
        try
        {
            return (await new Catalog.ProgressCatalog(system.Database).CountAsync(ids)).Searchable;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DiskFull)
        {
            return 0;
        }
    }

    private async Task<long> FailuresAsync()
    {
        await using var command = system.Database.CreateCommand("SELECT count(*) FROM failure_attempts");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private async Task<long> LastFailedAsync()
    {
        await using var command = system.Database.CreateCommand("SELECT coalesce(max(id), 0) FROM failed_messages");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <param name="last">What failed up to here is another journey's.</param>
    private Task NothingIsLeftFailedAsync(long last) => RunningSystem.Eventually(
        async () =>
        {
            await using var command = system.Database.CreateCommand("SELECT count(*) FROM failed_messages WHERE state IN ('failed', 'retrying') AND id > $1");
            command.Parameters.Add(new() { Value = last });
            return (long)(await command.ExecuteScalarAsync())!;
        },
        n => n == 0,
        "no message is left failed",
        seconds: 180);
}
