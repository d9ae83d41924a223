using System.Diagnostics;
using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace ImageSearch.Benchmarks.Query;

/// <summary>A database of made-up pictures with texts, whose vectors lie around those of their captions.</summary>
internal static class CaptionedCollection
{
    private static readonly string[] Subjects = ["dog", "cat", "child", "woman", "man", "horse", "bird", "car", "bicycle", "boat", "train", "bridge", "tower", "flower", "tree", "mountain", "cake", "guitar", "chair", "umbrella"];
    private static readonly string[] Actions = ["running", "sitting", "jumping", "sleeping", "standing", "playing", "waiting", "shining", "resting", "moving"];
    private static readonly string[] Places = ["beach", "street", "field", "snow", "garden", "river", "kitchen", "market", "forest", "stadium", "lake", "roof", "desert", "harbour", "park"];
    private static readonly string[] Colours = ["red", "blue", "green", "yellow", "black", "white", "brown", "orange"];

    // Half a word: the default weights are 2, 1, 0.5 and 1.
    private static readonly int[] FieldUnits = [4, 2, 1, 2];

    /// <summary>Words as people type them, not a whole caption; the number keeps the text encoder's cache from answering.</summary>
    public static string Words(Random random) => $"{Pick(Colours, random)} {Pick(Subjects, random)} {Pick(Places, random)} {random.Next(100_000)}";

    /// <summary>Connection string of the database for this size; it is made and filled unless an earlier run left it.</summary>
    public static async Task<string> OpenAsync(NpgsqlDataSource control, string server, string models, int size)
    {
        var name = Name(size);
        var connection = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
        await using var known = control.CreateCommand("SELECT count(*) FROM pg_database WHERE datname = $1");
        known.Parameters.Add(new() { Value = name });
        if ((long)(await known.ExecuteScalarAsync())! == 0)
        {
            await ExecuteAsync(control, $"CREATE DATABASE {name}_filling");
            await FillAsync(new NpgsqlConnectionStringBuilder(server) { Database = name + "_filling" }.ConnectionString, models, size);
            NpgsqlConnection.ClearAllPools();
            await ExecuteAsync(control, $"ALTER DATABASE {name}_filling RENAME TO {name}");
        }

        return connection;
    }

    public static async Task DropAsync(NpgsqlDataSource control, int size)
    {
        NpgsqlConnection.ClearAllPools();
        await ExecuteAsync(control, $"DROP DATABASE IF EXISTS {Name(size)} WITH (FORCE)");
        await ExecuteAsync(control, $"DROP DATABASE IF EXISTS {Name(size)}_filling WITH (FORCE)");
    }

    private static string Name(int size) => FormattableString.Invariant($"query_benchmark_{size}");

    private static string Pick(string[] words, Random random) => words[random.Next(words.Length)];

    private static string Caption(Random random) => $"a {Pick(Colours, random)} {Pick(Subjects, random)} {Pick(Actions, random)} near the {Pick(Places, random)}";

    private static async Task FillAsync(string connection, string models, int size)
    {
        await using var db = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { CommandTimeout = 0 }.ConnectionString);
        await Migrator.MigrateAsync(db);
        var settings = new ModelsOptions { Directory = models };
        var manifest = ModelManifest.Load(models, settings.Embedding);
        using var opener = new ModelOpener(Options.Create(settings));
        var catalog = new EmbeddingCatalog(db);
        var registered = await catalog.RegisterModelAsync(manifest.Id, manifest.Get<int>("dimensions"), manifest.GetOrDefault<float[]>("mean"));
        using var model = opener.Open(registered);
        await ExecuteAsync(db, $"INSERT INTO images (sha256, format, width, height, bytes) SELECT sha256(convert_to(i::text, 'UTF8')), 'jpeg', 640, 480, 100000 FROM generate_series(1, {size}) AS i");
        await ExecuteAsync(db, "INSERT INTO objects (bucket, key, image_id, etag, bytes) SELECT 'images', 'picture-' || id || '.jpg', id, '', bytes FROM images");
        await ExecuteAsync(db, $"DROP INDEX {VectorIndex.NameOf(registered.Id, VectorIndexKind.Half)}");
        var watch = Stopwatch.StartNew();
        var random = new Random(1);
        Dictionary<string, float[]> centres = [];
        await using (var open = await db.OpenConnectionAsync())
        {
            await ExecuteAsync(open, "CREATE TEMP TABLE filling (id bigint, caption text)");
            var captions = Enumerable.Range(0, size).Select(_ => Caption(random)).ToArray();
            await using (var copy = await open.BeginBinaryImportAsync("COPY filling FROM STDIN (FORMAT binary)"))
            {
                for (var i = 0; i < size; i++)
                {
                    await copy.StartRowAsync();
                    await copy.WriteAsync(i + 1L);
                    await copy.WriteAsync(captions[i], NpgsqlDbType.Text);
                }

                await copy.CompleteAsync();
            }

            await ExecuteAsync(open, """
                INSERT INTO captions (image_id, region, x, y, w, h, captioner, prompt_version, tags, caption)
                SELECT id, 0, 0, 0, 1, 1, 'mllm:benchmark', '1', string_to_array(caption, ' '), caption FROM filling
                """);
            await ExecuteAsync(open, $"""
                INSERT INTO lexical_documents (image_id, length, text)
                SELECT f.id, (SELECT sum(lexical_frequency(t.weights, ARRAY[{string.Join(',', FieldUnits)}])) FROM unnest(f.text) AS t), f.text
                FROM (SELECT id, lexical_text('english', string_to_array(caption, ' '), caption, ARRAY[]::text[], 'picture ' || id) AS text FROM filling OFFSET 0) AS f
                """);
            foreach (var chunk in Enumerable.Range(0, size).Chunk(2_000))
            {
                await catalog.StoreAsync(registered, [.. chunk.Select(i =>
                {
                    if (!centres.TryGetValue(captions[i], out var centre))
                    {
                        centres.Add(captions[i], centre = model.EncodeText(captions[i]));
                    }

                    return (i + 1L, Around(centre, random));
                })]);
            }
        }

        await new LexicalIndex(db, new()).RebuildAsync();
        await Console.Error.WriteLineAsync($"{size} pictures written in {watch.Elapsed.TotalSeconds:0} s");
        await catalog.RegisterModelAsync(registered.Name, registered.Dimensions, registered.Mean);
        await ExecuteAsync(db, "VACUUM ANALYZE");
        await Console.Error.WriteLineAsync($"indexed after {watch.Elapsed.TotalSeconds:0} s");
    }

    private static float[] Around(float[] centre, Random random)
    {
        var vector = new float[centre.Length];
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] = centre[i] + (0.06f * (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2));
        }

        TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task ExecuteAsync(NpgsqlDataSource db, string sql)
    {
        await using var command = db.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }
}
