using ImageSearch.Models;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace ImageSearch.Inference;

/// <summary>Text to unit vectors, by a manifest's tokenizer and text tower. Thread-safe; recent texts come from a cache.</summary>
public sealed class TextEncoder : IDisposable
{
    private const int CachedTexts = 512;
    private const int MaxBatch = 64;

    private readonly TextManifest text;
    private readonly int dimensions;
    private readonly OnnxNetwork network;
    private readonly bool ids64;
    private readonly int maxBatch;
    private readonly LruCache<string, float[]> cache = new(CachedTexts);

    internal TextEncoder(ModelManifest manifest, EmbeddingManifest embedding, ModelsOptions options)
    {
        text = embedding.Text ?? throw EmbeddingManifest.Bad(manifest, "the section 'text' is missing, so the model cannot answer text queries");
        if (text.Tokenizer.Kind != "bpe")
        {
            throw new ModelException($"Model {manifest.Id} wants a '{text.Tokenizer.Kind}' tokenizer; only CLIP's byte-level BPE ('bpe') is read so far. "
                + "Plug in a model with CLIP's tokenizer instead (CLIP, OpenCLIP, MobileCLIP); docs/models.md names some.");
        }

        if ((text.Prompts ?? []).FirstOrDefault(p => !p.Contains("{}", StringComparison.Ordinal)) is { } prompt)
        {
            throw EmbeddingManifest.Bad(manifest, $"the prompt '{prompt}' has no {{}}");
        }

        dimensions = embedding.Dimensions;
        Tokenizer = new BpeTokenizer(
            manifest.PathOf("vocab"), manifest.PathOf("merges"), text.Tokenizer.Letters == "ascii", text.Tokenizer.Clean,
            text.Tokenizer.StartToken, text.Tokenizer.EndToken, text.Tokenizer.PadId);
        network = new OnnxNetwork(manifest, "text_encoder", options, text.MaskInput is null ? [text.Input] : [text.Input, text.MaskInput], [text.Output]);
        network.RequireVectors(text.Output, dimensions);
        ids64 = network.InputType(text.Input) switch
        {
            TensorElementType.Int64 => true,
            TensorElementType.Int32 => false,
            var other => throw EmbeddingManifest.Bad(manifest, $"the text tower's ids are {other}, not int64 or int32"),
        };
        if (text.FixedLength && network.InputDimension(text.Input, 1) is { } length && length != text.ContextLength)
        {
            throw EmbeddingManifest.Bad(manifest, $"text.contextLength is {text.ContextLength} but the network takes {length}");
        }

        maxBatch = network.InputDimension(text.Input, 0) ?? MaxBatch;
    }

    public BpeTokenizer Tokenizer { get; }

    /// <summary>Most token ids of one text, start and end included; longer texts are cut.</summary>
    public int ContextLength => text.ContextLength;

    /// <summary>Templates for short queries, each with one {}.</summary>
    public IReadOnlyList<string> Prompts => text.Prompts ?? ["{}"];

    /// <returns>A unit vector; treat it as read-only, it may come from the cache.</returns>
    public float[] Encode(string text) => Encode([text])[0];

    /// <summary>Encodes many texts in batches.</summary>
    public float[][] Encode(IReadOnlyList<string> texts)
    {
        var vectors = new float[texts.Count][];
        var missing = new List<int>();
        for (var i = 0; i < vectors.Length; i++)
        {
            if (!cache.TryGet(texts[i], out vectors[i]))
            {
                missing.Add(i);
            }
        }

        foreach (var chunk in missing.Chunk(maxBatch))
        {
            var rows = Run([.. chunk.Select(i => Tokenizer.Encode(texts[i], text.ContextLength))]);
            for (var k = 0; k < chunk.Length; k++)
            {
                vectors[chunk[k]] = rows[k];
                cache.Add(texts[chunk[k]], rows[k]);
            }
        }

        return vectors;
    }

    /// <summary>A query as a vector: a short one goes through the manifest's templates ("a photo of a {}"), whose vectors are averaged and scaled to length 1 again.</summary>
    public float[] EncodeQuery(string query)
    {
        ArgumentNullException.ThrowIfNull(query);
        query = query.Trim();
        var words = query.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        return words == 0 || words > text.PromptMaxWords || Prompts.Count == 0
            ? Encode(query)
            : UnitVectors.Average(Encode([.. Prompts.Select(p => p.Replace("{}", query, StringComparison.Ordinal))]));
    }

    public void Dispose() => network.Dispose();

    private float[][] Run(int[][] sequences)
    {
        var length = text.FixedLength ? text.ContextLength : sequences.Max(s => s.Length);

        // A graph with a fixed batch gets its full batch; the rows beyond are thrown away.
        var count = network.InputDimension(text.Input, 0) ?? sequences.Length;
        var ids = new int[count * length];
        var mask = new int[count * length];
        Array.Fill(ids, Tokenizer.PadId);
        for (var i = 0; i < count; i++)
        {
            var sequence = sequences[Math.Min(i, sequences.Length - 1)];
            sequence.CopyTo(ids, i * length);
            mask.AsSpan(i * length, sequence.Length).Fill(1);
        }

        long[] shape = [count, length];
        using var idValue = Integers(ids, shape);
        using var maskValue = text.MaskInput is null ? null : Integers(mask, shape);
        var rows = maskValue is null ? network.Run(count, idValue) : network.Run(count, idValue, maskValue);
        return [.. rows[0].Take(sequences.Length).Select(UnitVectors.Normalise)];
    }

    private OrtValue Integers(int[] values, long[] shape) => ids64
        ? OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(values, v => (long)v), shape)
        : OrtValue.CreateTensorValueFromMemory(values, shape);
}
