using ImageSearch.Imaging;

namespace ImageSearch.Cli.Operating;

/// <summary>What a chaos run does at one step.</summary>
internal enum ChaosAct
{
    /// <summary>Puts a new picture under a new key.</summary>
    Put,

    /// <summary>Puts a picture that is there under one more key.</summary>
    Twin,

    /// <summary>Puts another picture under a key that is taken.</summary>
    Overwrite,

    Delete,

    /// <summary>Publishes the notification of a creation once more.</summary>
    RepeatEvent,

    /// <summary>Publishes a removal that never was, as if it came late.</summary>
    FalseRemoval,

    /// <summary>Takes notifications from the queue and throws them away.</summary>
    DropEvents,

    /// <summary>Kills a process with SIGKILL.</summary>
    Kill,
}

/// <param name="Picture">Number of the picture whose content is meant.</param>
/// <param name="Target">Process to kill.</param>
internal sealed record ChaosStep(ChaosAct Act, string Key = "", int Picture = 0, string Target = "");

/// <summary>The steps of a run; they follow from seed and number of pictures alone.</summary>
internal sealed class ChaosPlan
{
    public static readonly IReadOnlyList<string> Targets = ["ingest", "codec", "embedder", "captioner", "operator", "rabbitmq", "postgres", "rgw"];

    public ChaosPlan(int seed, int pictures)
    {
        Prefix = $"chaos/{seed}/";
        var random = new Random(seed);
        var targets = Targets.ToArray();
        random.Shuffle(targets);
        var kills = targets.Select((t, i) => (At: (i + 1) * pictures / (targets.Length + 1), Target: t)).ToList();
        for (var i = 0; i < pictures; i++)
        {
            Steps.AddRange(kills.Where(k => k.At == i).Select(k => new ChaosStep(ChaosAct.Kill, Target: k.Target)));
            Add(ChaosAct.Put, $"{Prefix}{i}.png", i);
            Disturb(random, i);
        }
    }

    public string Prefix { get; }

    public List<ChaosStep> Steps { get; } = [];

    /// <summary>Keys that lie in the bucket at the end, with the number of their picture.</summary>
    public Dictionary<string, int> Expected { get; } = [];

    /// <summary>Content of a picture: a gradient and a rectangle, 64 to 320 pixels a side.</summary>
    public byte[] Content(int seed, int picture)
    {
        var random = new Random(unchecked((seed * 1_000_003) + picture) & int.MaxValue);
        var (width, height) = (random.Next(64, 320), random.Next(64, 320));
        var (x, y, w, h) = (random.Next(width / 2), random.Next(height / 2), random.Next(8, width / 2), random.Next(8, height / 2));
        var (from, to, spot) = (Colour(random), Colour(random), Colour(random));
        var pixels = new byte[width * height * 3];
        for (var i = 0; i < width * height; i++)
        {
            var (column, row) = (i % width, i / width);
            var inside = column >= x && column < x + w && row >= y && row < y + h;
            for (var c = 0; c < 3; c++)
            {
                pixels[(i * 3) + c] = inside ? spot[c] : (byte)(from[c] + ((to[c] - from[c]) * row / height));
            }
        }

        return ImageFiles.Encode(new Picture(width, height, 3, pixels), ImageFormat.Png);
    }

    private static byte[] Colour(Random random)
    {
        var colour = new byte[3];
        random.NextBytes(colour);
        return colour;
    }

    private void Add(ChaosAct act, string key, int picture)
    {
        Steps.Add(new(act, key, picture));
        if (act is ChaosAct.Put or ChaosAct.Twin or ChaosAct.Overwrite)
        {
            Expected[key] = picture;
        }
        else if (act == ChaosAct.Delete)
        {
            Expected.Remove(key);
        }
    }

    private void Disturb(Random random, int i)
    {
        var keys = Expected.Keys.Order(StringComparer.Ordinal).ToArray();
        var key = keys[random.Next(keys.Length)];
        switch (random.Next(100))
        {
            case < 8:
                Add(ChaosAct.Twin, $"{Prefix}twin-{i}.png", Expected[key]);
                break;
            case < 13:
                Add(ChaosAct.Overwrite, key, 1_000_000 + i);
                break;
            case < 20 when keys.Length > 1:
                Add(ChaosAct.Delete, key, 0);
                break;
            case < 28:
                Add(ChaosAct.RepeatEvent, key, 0);
                break;
            case < 36:
                Add(ChaosAct.FalseRemoval, key, 0);
                break;
            case < 42:
                Add(ChaosAct.DropEvents, "", 0);
                break;
        }
    }
}
