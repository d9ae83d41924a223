namespace ImageSearch.Inference;

/// <summary>One network input without its batch axis, planar: Values[(c * Height + y) * Width + x].</summary>
public record PictureTensor(int Channels, int Height, int Width, float[] Values)
{
    public float[] Values { get; } = Values.LongLength == (long)Channels * Height * Width && Values.Length > 0
        ? Values : throw new ArgumentException($"{Values.Length} values are not {Channels} x {Height} x {Width}", nameof(Values));
}

/// <summary>Dequantised latents y-hat of one picture, [Channels, Height, Width], a sixteenth of the picture's sides.</summary>
/// <param name="Space">Name of the latents' space (the codec's <c>latentSpace</c>), compared with the adapter's; null when it is not known.</param>
public sealed record LatentInput(int Channels, int Height, int Width, float[] Values, string? Space = null) : PictureTensor(Channels, Height, Width, Values);

/// <summary>A picture as a vector.</summary>
/// <param name="Vector">Unit length, the model's dimensions.</param>
/// <param name="ClassLogits">Scores of the classes that the model's tags are made of; null when it has none.</param>
public sealed record PictureEmbedding(float[] Vector, float[]? ClassLogits);
