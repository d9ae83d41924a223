using System.Buffers;
using System.Collections.Concurrent;
using ImageSearch.Imaging;
using ImageSearch.Models;

namespace ImageSearch.Compression;

/// <summary>
/// The learned image codec: pictures to .lic streams and back, and streams to the latents that search reads.
/// <code>
///   x --g_a--> y --h_a--> z      z, y - mean  --range coder-->  .lic  --range coder-->  z, y_hat      y_hat --g_s--> x_hat
/// </code>
/// Everything from the stream to y_hat is integer arithmetic and gives the same integers on every machine; g_s is float, its pixels may
/// differ between machines by one level. Instances are safe for concurrent use; each call uses up to the number of threads given to Open.
/// Working memory of a call: about 12 bytes a pixel to decode, 20 to encode, plus 0.5 GB for the transforms of one tile.
/// </summary>
public sealed class LicCodec : IDisposable
{
    /// <summary>Longest side of a preview, and of any picture on its way into search, pixels.</summary>
    public const int SearchLongestSide = 384;

    /// <summary>Pictures with a longer side than this carry a preview; smaller ones are searched by their own latents.</summary>
    public const int PreviewThreshold = 768;

    /// <summary>Largest picture, pixels (134 megapixels); no side may exceed 65,535.</summary>
    public const int MaxPixels = 1 << 27;

    public const float MinQuality = 1;
    public const float MaxQuality = 8;

    private readonly string _modelsDirectory;
    private readonly string _provider;
    private readonly int _threads;
    private readonly IntegerPath _path;
    private readonly LicModel _model;
    private readonly ConcurrentDictionary<int, Lazy<LicModel>> _others = new();

    private LicCodec(string modelsDirectory, string model, int threads, string provider, IntegerPath path)
    {
        (_modelsDirectory, _provider, _path) = (modelsDirectory, provider, path);
        _threads = threads > 0 ? threads : Environment.ProcessorCount;
        _model = LicModel.Load(ModelManifest.Load(modelsDirectory, model), _threads, provider);
    }

    /// <summary>Name and version of the model that pictures are encoded with.</summary>
    public string ModelId => _model.Id;

    /// <summary>Number by which streams name that model.</summary>
    public int CodecId => _model.CodecId;

    /// <summary>Channels of the latents.</summary>
    public int Channels => _model.Entropy.Channels;

    /// <exception cref="ModelException">The model is missing or damaged.</exception>
    public static LicCodec Open(ModelsOptions options) => Open(options.Directory, options.Codec, options.Threads, options.Provider);

    /// <summary>Loads a model; hashes, shapes and probability tables are checked once, here.</summary>
    /// <param name="modelsDirectory">Folder that holds NAME/VERSION/manifest.json.</param>
    /// <param name="model">The model to encode with. Streams of other codecs in the folder decode as well.</param>
    /// <param name="threads">Threads of one call; 0 means one per core.</param>
    /// <param name="provider"><c>cpu</c> or <c>cuda</c>, for the float transforms.</param>
    /// <exception cref="ModelException">The model is missing or damaged.</exception>
    public static LicCodec Open(string modelsDirectory, string model = ModelsOptions.DefaultCodec, int threads = 0, string provider = "cpu") =>
        new(modelsDirectory, model, threads, provider, IntegerKernels.Best);

    /// <summary>For tests: with the integer kernels of one instruction set.</summary>
    internal static LicCodec Open(string modelsDirectory, int threads, IntegerPath path) => new(modelsDirectory, ModelsOptions.DefaultCodec, threads, "cpu", path);

    /// <summary>Compresses a picture.</summary>
    /// <param name="picture">1 x 1 to 134 megapixels; alpha is kept without loss, the colour under fully transparent pixels is not.</param>
    /// <param name="quality">1 (small) to 8 (good), fractions allowed.</param>
    /// <param name="verify">Decodes the symbols again and compares before returning.</param>
    /// <param name="ct">Looked at between tiles and coding steps.</param>
    /// <exception cref="ArgumentException">The picture or the quality is out of range.</exception>
    /// <exception cref="InvalidOperationException">The stream did not decode to the same symbols: a fault of the machine or the program, never of the picture.</exception>
    public byte[] Encode(Picture picture, float quality = 4, bool verify = true, CancellationToken ct = default)
    {
        CheckSize(picture);
        var rate = CheckedRate(quality);
        (LicPreview, byte[])? preview = null;
        if (Math.Max(picture.Width, picture.Height) > PreviewThreshold)
        {
            var small = WithoutAlpha(picture).FitWithin(SearchLongestSide);
            var q = Math.Min(quality, 4);
            preview = (new LicPreview(small.Width, small.Height, q), EncodeLatents(small, LicStream.RateOf(q), verify, ct));
        }

        var latents = EncodeLatents(WhiteWhereTransparent(picture), rate, verify, ct);
        return LicStream.Write(picture.Width, picture.Height, CodecId, quality, preview, latents, picture.Channels == 4 ? AlphaPlane.Encode(picture) : null);
    }

    /// <summary>Decompresses a picture, with alpha if the stream has it.</summary>
    /// <exception cref="LicFormatException">The stream is damaged, or its model is missing.</exception>
    public Picture Decode(ReadOnlyMemory<byte> stream, CancellationToken ct = default)
    {
        var header = LicStream.ReadChecked(stream.Span);
        var grid = new Grid(header.Width, header.Height);
        var latents = stream.Slice(header.HeaderBytes + header.PreviewBytes, header.LatentBytes);
        var alpha = stream.Slice(header.HeaderBytes + header.PreviewBytes + header.LatentBytes, header.AlphaBytes);
        return DecodePicture(ModelOf(header), latents, grid, header.Rate, header.Channels, alpha, ct);
    }

    /// <summary>The preview as a picture, without alpha; a stream without preview is decoded whole.</summary>
    /// <exception cref="LicFormatException">The stream is damaged, or its model is missing.</exception>
    public Picture DecodePreview(ReadOnlyMemory<byte> stream, CancellationToken ct = default)
    {
        var header = LicStream.ReadChecked(stream.Span);
        var (grid, rate, section) = SearchSection(header);
        return DecodePicture(ModelOf(header), stream[section], grid, rate, 3, default, ct);
    }

    /// <summary>The latents that search reads: those of the preview if the stream has one, otherwise its own. No transform runs.</summary>
    /// <exception cref="LicFormatException">The stream is damaged, or its model is missing.</exception>
    public LatentGrid DecodeLatents(ReadOnlyMemory<byte> stream, CancellationToken ct = default)
    {
        var header = LicStream.ReadChecked(stream.Span);
        var (grid, rate, section) = SearchSection(header);
        var model = ModelOf(header);
        return WithSymbols(model, stream[section], grid, rate, ct, yHat => new Transforms(model, _threads).Latents(yHat, grid, rate));
    }

    /// <summary>
    /// Decodes the integers of every section (preview, latents, alpha) and throws them away; no transform runs. A damaged section whose CRC-32C
    /// was made to fit is noticed as soon as the range coder does not end exactly with its last byte, which is nearly always.
    /// </summary>
    /// <exception cref="LicFormatException">The stream is damaged, or its model is missing.</exception>
    public void Verify(ReadOnlyMemory<byte> stream, CancellationToken ct = default)
    {
        var header = LicStream.ReadChecked(stream.Span);
        var model = ModelOf(header);
        var (latents, alpha) = (header.HeaderBytes + header.PreviewBytes, header.HeaderBytes + header.PreviewBytes + header.LatentBytes);
        if (header.HasPreview)
        {
            var (grid, rate, section) = SearchSection(header);
            WithSymbols(model, stream[section], grid, rate, ct, _ => true);
        }

        WithSymbols(model, stream[latents..alpha], new Grid(header.Width, header.Height), header.Rate, ct, _ => true);
        if (header.HasAlpha)
        {
            AlphaPlane.Check(stream.Span[alpha..], header.Width, header.Height);
        }
    }

    /// <summary>
    /// Latents of a picture as it is (scale it to <see cref="SearchLongestSide"/> first for search), without quantisation: g_a alone.
    /// </summary>
    /// <exception cref="ArgumentException">The picture or the quality is out of range.</exception>
    public LatentGrid Analyze(Picture picture, float quality = 4)
    {
        CheckSize(picture);
        var rate = CheckedRate(quality);
        var gain = _model.EncoderGain(rate).Zip(_model.LatentGain(rate), (e, d) => e * d).ToArray();
        return new Transforms(_model, _threads).AnalyzeOnly(picture, new Grid(picture.Width, picture.Height), rate, gain);
    }

    public void Dispose()
    {
        _model.Dispose();
        foreach (var other in _others.Values.Where(o => o.IsValueCreated))
        {
            other.Value.Dispose();
        }
    }

    /// <summary>SHA-256 of the integers that a stream's main section decodes to; tests compare it across instruction sets.</summary>
    internal byte[] HashSymbols(ReadOnlyMemory<byte> stream)
    {
        var header = LicStream.ReadChecked(stream.Span);
        var grid = new Grid(header.Width, header.Height);
        var model = ModelOf(header);
        return WithSymbols(model, stream.Slice(header.HeaderBytes + header.PreviewBytes, header.LatentBytes), grid, header.Rate, default, yHat =>
            System.Security.Cryptography.SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(yHat.AsSpan(0, Entries(model, grid)))));
    }

    private static int CheckedRate(float quality) => quality is >= MinQuality and <= MaxQuality ? LicStream.RateOf(quality)
        : throw new ArgumentOutOfRangeException(nameof(quality), quality, "1 to 8");

    private static void CheckSize(Picture picture)
    {
        if (picture.Width is < 1 or > LicStream.MaxSide || picture.Height is < 1 or > LicStream.MaxSide || (long)picture.Width * picture.Height > MaxPixels)
        {
            throw new ArgumentException($"A picture of {picture.Width} x {picture.Height} is outside 1 to {LicStream.MaxSide} a side and {MaxPixels} pixels in all.", nameof(picture));
        }
    }

    /// <summary>Search sees pictures as they look on white.</summary>
    private static Picture WithoutAlpha(Picture picture) => picture.Channels == 4 ? picture.Flatten(255, 255, 255) : picture;

    /// <summary>
    /// Colours that nobody can see are coded as white: whatever editors leave there costs bits and would be seen by search, which reads the latents.
    /// </summary>
    private static Picture WhiteWhereTransparent(Picture picture)
    {
        if (picture.Channels == 3)
        {
            return picture;
        }

        var pixels = (byte[])picture.Pixels.Clone();
        for (var i = 0; i < pixels.Length; i += 4)
        {
            if (pixels[i + 3] == 0)
            {
                pixels.AsSpan(i, 3).Fill(255);
            }
        }

        return new(picture.Width, picture.Height, 4, pixels);
    }

    private static (Grid Grid, int Rate, Range Section) SearchSection(LicHeader h) => h.Preview is { } p
        ? (new Grid(p.Width, p.Height), LicStream.RateOf(p.Quality), h.HeaderBytes..(h.HeaderBytes + h.PreviewBytes))
        : (new Grid(h.Width, h.Height), h.Rate, h.HeaderBytes..(h.HeaderBytes + h.LatentBytes));

    private static int Entries(LicModel model, Grid grid) => checked((int)(grid.Positions16 * model.Entropy.Channels));

    private byte[] EncodeLatents(Picture picture, int rate, bool verify, CancellationToken ct)
    {
        var grid = new Grid(picture.Width, picture.Height);
        var entries = Entries(_model, grid);
        var y = ArrayPool<float>.Shared.Rent(entries);
        var z = ArrayPool<short>.Shared.Rent(grid.Rows64 * grid.Columns64 * _model.Entropy.ZChannels);
        var yHat = ArrayPool<short>.Shared.Rent(entries);
        try
        {
            new Transforms(_model, _threads).Analyze(picture, grid, rate, y, z, ct);
            byte[] bytes;
            using (ComputeTime.Measure(ComputeTime.Entropy))
            {
                bytes = new LatentCoder(_model.Entropy, _threads, _path).Encode(y, z, grid.Rows64, grid.Columns64, rate, yHat, ct);
            }

            if (verify && !WithSymbols(_model, bytes, grid, rate, ct, again => again.AsSpan(0, entries).SequenceEqual(yHat.AsSpan(0, entries))))
            {
                throw new InvalidOperationException("The stream does not decode to the symbols that were encoded; nothing was returned.");
            }

            return bytes;
        }
        finally
        {
            ArrayPool<float>.Shared.Return(y);
            ArrayPool<short>.Shared.Return(z);
            ArrayPool<short>.Shared.Return(yHat);
        }
    }

    private Picture DecodePicture(LicModel model, ReadOnlyMemory<byte> latents, Grid grid, int rate, int channels, ReadOnlyMemory<byte> alpha, CancellationToken ct) =>
        WithSymbols(model, latents, grid, rate, ct, yHat =>
        {
            var pixels = new byte[checked(grid.Width * grid.Height * channels)];
            if (channels == 4)
            {
                AlphaPlane.Decode(alpha.Span, grid.Width, grid.Height, pixels);
            }

            new Transforms(model, _threads).Synthesize(yHat, grid, rate, pixels, channels, ct);
            return new Picture(grid.Width, grid.Height, channels, pixels);
        });

    private T WithSymbols<T>(LicModel model, ReadOnlyMemory<byte> bytes, Grid grid, int rate, CancellationToken ct, Func<short[], T> use)
    {
        // Nothing is allocated for a size that these few bytes cannot hold.
        if (bytes.Length < model.Entropy.MinimumBytes(grid.Positions16))
        {
            throw new LicFormatException(LicError.Truncated, $"{bytes.Length} bytes cannot hold a picture of {grid.Width} x {grid.Height}.");
        }

        var yHat = ArrayPool<short>.Shared.Rent(Entries(model, grid));
        try
        {
            using (ComputeTime.Measure(ComputeTime.Entropy))
            {
                new LatentCoder(model.Entropy, _threads, _path).Decode(bytes.Span, grid.Rows64, grid.Columns64, rate, yHat, ct);
            }

            return use(yHat);
        }
        finally
        {
            ArrayPool<short>.Shared.Return(yHat);
        }
    }

    private LicModel ModelOf(LicHeader header)
    {
        if (header.ModelId == _model.CodecId)
        {
            return _model;
        }

        var manifest = ModelManifest.LoadAll(_modelsDirectory).FirstOrDefault(m => m.Kind == "codec" && m.GetOrDefault<int>("codecId") == header.ModelId)
            ?? throw new LicFormatException(LicError.UnknownModel, $"The stream was written by codec model number {header.ModelId}, which is not in {_modelsDirectory}.");
        return _others.GetOrAdd(header.ModelId, _ => new Lazy<LicModel>(() => LicModel.Load(manifest, _threads, _provider))).Value;
    }
}
