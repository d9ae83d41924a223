using System.ComponentModel.DataAnnotations;

namespace ImageSearch.Models;

/// <summary>Settings section "Models": where the models lie and how they run.</summary>
public sealed class ModelsOptions
{
    public const string Section = "Models";

    /// <summary>Codec that ships with the project and is used where none is named.</summary>
    public const string DefaultCodec = "lic-lot/2";

    /// <summary>Embedding model that ships with the project and is used where none is named; its tags are the built-in tagger's.</summary>
    public const string DefaultEmbedding = "lic-adapter/4";

    /// <summary>Folder that holds <c>NAME/VERSION/manifest.json</c>.</summary>
    [Required]
    public string Directory { get; set; } = "models";

    /// <summary>Codec that new pictures are encoded with, as <c>name/version</c>. Streams of other codecs in the folder still decode.</summary>
    [Required, RegularExpression("^[a-z0-9._-]+/[a-z0-9._-]+$")]
    public string Codec { get; set; } = DefaultCodec;

    /// <summary>Embedding model that is active until the operator switches, as <c>name/version</c>.</summary>
    [Required, RegularExpression("^[a-z0-9._-]+/[a-z0-9._-]+$")]
    public string Embedding { get; set; } = DefaultEmbedding;

    /// <summary>Threads of one ONNX Runtime session; 0 means one per core, in the pipeline's workers one (<see cref="OneThreadEach"/>).</summary>
    [Range(0, 256)]
    public int Threads { get; set; }

    /// <summary><c>cpu</c> or <c>cuda</c> (needs a build with OnnxRuntimeFromNuGet=true and an NVIDIA driver).</summary>
    [RegularExpression("^(cpu|cuda)$")]
    public string Provider { get; set; } = "cpu";

    /// <summary>
    /// For workers, which have several pictures in hand at once: one thread for each picture. Helpers that wait for each other cost the codec a tenth of its processor time.
    /// </summary>
    public static void OneThreadEach(ModelsOptions options) => options.Threads = options.Threads == 0 ? 1 : options.Threads;
}
