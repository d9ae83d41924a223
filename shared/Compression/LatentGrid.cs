namespace ImageSearch.Compression;

/// <summary>
/// Latents as search reads them: y_hat times the latent gain (for most codecs the input of the synthesis transform g_s), so that pictures coded at different
/// qualities differ by quantisation noise only. One position stands for 16 x 16 pixels.
/// </summary>
/// <param name="Channels">Channels of the codec, for instance 192.</param>
/// <param name="Height">ceil(picture height / 16); padding is cut off.</param>
/// <param name="Width">ceil(picture width / 16).</param>
/// <param name="Values">Channels x Height x Width, row-major.</param>
/// <param name="Space">Name of what the channels mean: codecs with the same analysis transform share it, and every adapter trained on it.</param>
public sealed record LatentGrid(int Channels, int Height, int Width, float[] Values, string Space);
