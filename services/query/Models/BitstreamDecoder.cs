using ImageSearch.Imaging;

namespace ImageSearch.Query.Models;

/// <summary>Bitstreams of any codec in the models folder back to pixels.</summary>
/// <param name="Decode">Throws when the stream is damaged or its codec is not there.</param>
public sealed record BitstreamDecoder(Func<byte[], Picture> Decode);
