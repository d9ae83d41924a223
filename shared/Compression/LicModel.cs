using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageSearch.Models;
using Microsoft.ML.OnnxRuntime;

namespace ImageSearch.Compression;

/// <summary>One loaded codec model: integer entropy model, float transforms by rate, gains. Safe for concurrent use.</summary>
internal sealed class LicModel : IDisposable
{
    /// <summary>Transform sessions kept open at once, by network and rate. One takes 10 to 20 MB besides its working memory.</summary>
    private const int SessionsKept = 4;

    private readonly ModelManifest _manifest;
    private readonly int _threads;
    private readonly string _provider;
    private readonly float[] _rates;
    private readonly float[]? _latentGains;
    private readonly Dictionary<string, RatedBias[]> _biases;
    private readonly SessionCache _analysis;
    private readonly SessionCache _synthesis;

    private LicModel(ModelManifest manifest, int threads, string provider)
    {
        if (manifest.Kind != "codec")
        {
            throw new ModelException($"Model {manifest.Id} is of kind '{manifest.Kind}', not a codec.");
        }

        manifest.VerifyFiles();
        (_manifest, _threads, _provider) = (manifest, threads, provider);
        CodecId = manifest.Get<ushort>("codecId");
        Entropy = new EntropyModel(File.ReadAllBytes(manifest.PathOf("entropy")));
        _rates = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(manifest.PathOf("rates"))).ToArray();
        _biases = manifest.Get<Dictionary<string, RatedBias[]>>("ratedBiases");
        var biases = _biases["g_a"].Sum(b => b.Count) + _biases["g_s"].Sum(b => b.Count);
        if (!BitConverter.IsLittleEndian || _rates.Length != EntropyModel.RatePoints * ((2 * Entropy.Channels) + biases)
            || manifest.Get<int>("channels") != Entropy.Channels || manifest.Get<int>("hyperChannels") != Entropy.ZChannels
            || manifest.Get<int>("stride") != 16 || manifest.Get<int>("hyperStride") != 64)
        {
            throw new ModelException($"Model {manifest.Id}: the sizes in its manifest, entropy.bin and rates.bin do not fit together.");
        }

        if (manifest.Files.ContainsKey("latent_gains"))
        {
            _latentGains = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(manifest.PathOf("latent_gains"))).ToArray();
            if (_latentGains.Length != EntropyModel.RatePoints * Entropy.Channels)
            {
                throw new ModelException($"Model {manifest.Id}: latent_gains.bin does not hold {EntropyModel.RatePoints} x {Entropy.Channels} values.");
            }
        }

        HyperAnalysis = OnnxSessions.Open(manifest.PathOf("h_a"), threads, provider);
        var at = EntropyModel.RatePoints * 2 * Entropy.Channels;
        _analysis = new SessionCache(SessionsKept, rate => OpenRated("g_a", rate, at));
        _synthesis = new SessionCache(SessionsKept, rate => OpenRated("g_s", rate, at + (EntropyModel.RatePoints * _biases["g_a"].Sum(b => b.Count))));
    }

    public ushort CodecId { get; }

    public string Id => _manifest.Id;

    /// <summary>Name of the latents' space: <c>latentSpace</c> of the manifest, for a codec with an analysis transform of its own its id.</summary>
    public string LatentSpace => _manifest.GetOrDefault<string>("latentSpace") ?? _manifest.Id;

    /// <summary>Latent positions around a tile that g_s can see.</summary>
    public int SynthesisMargin => _manifest.GetOrDefault<int?>("synthesisMargin") ?? 4;

    public EntropyModel Entropy { get; }

    public InferenceSession HyperAnalysis { get; }

    public static LicModel Load(ModelManifest manifest, int threads, string provider) => new(manifest, threads, provider);

    /// <summary>g_a for a rate; give the lease back after use.</summary>
    public SessionCache.Lease Analysis(int rate) => _analysis.Take(Rounded(rate));

    /// <summary>g_s for a rate; give the lease back after use.</summary>
    public SessionCache.Lease Synthesis(int rate) => _synthesis.Take(Rounded(rate));

    /// <summary>Factor per channel between g_a's output and the latents that are coded.</summary>
    public float[] EncoderGain(int rate) => Gain(_rates, rate, 0);

    /// <summary>Factor per channel between coded latents and g_s's input.</summary>
    public float[] DecoderGain(int rate) => Gain(_rates, rate, EntropyModel.RatePoints * Entropy.Channels);

    /// <summary>Factor per channel between coded latents and <see cref="LatentSpace"/>: the decoder gain, unless the space is that of an earlier codec with other gains.</summary>
    public float[] LatentGain(int rate) => _latentGains is null ? DecoderGain(rate) : Gain(_latentGains, rate, 0);

    public void Dispose()
    {
        _analysis.Dispose();
        _synthesis.Dispose();
        HyperAnalysis.Dispose();
    }

    /// <summary>The transforms' biases follow the rate in steps of 1/8 point, so that few sessions serve all qualities; gains follow it exactly.</summary>
    private static int Rounded(int rate) => (rate + 16) / 32 * 32;

    private float[] Gain(float[] logs, int rate, int offset)
    {
        var gain = new float[Entropy.Channels];
        Interpolate(logs, rate, offset, gain);
        for (var c = 0; c < gain.Length; c++)
        {
            gain[c] = MathF.Exp(gain[c]);
        }

        return gain;
    }

    private static void Interpolate(float[] logs, int rate, int offset, Span<float> values)
    {
        var i = Math.Min(rate >> 8, EntropyModel.RatePoints - 2);
        var f = (rate - (i << 8)) / 256f;
        for (var c = 0; c < values.Length; c++)
        {
            var at = offset + (i * values.Length) + c;
            values[c] = (logs[at] * (1 - f)) + (logs[at + values.Length] * f);
        }
    }

    private InferenceSession OpenRated(string role, int rate, int offset)
    {
        var graph = File.ReadAllBytes(_manifest.PathOf(role));
        var patches = _biases[role];
        var values = new float[patches.Sum(p => p.Count)];
        Interpolate(_rates, rate, offset, values);
        var at = 0;
        foreach (var p in patches)
        {
            for (var i = 0; i < p.Count; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(graph.AsSpan(p.Offset + (4 * i), 4), values[at++]);
            }
        }

        return OnnxSessions.Open(graph, $"{_manifest.Id} {role}", _threads, _provider);
    }

    /// <summary>Where the bytes of a rate-dependent bias lie in an .onnx file.</summary>
    private sealed record RatedBias(int Offset, int Count);
}
