using System.Collections.Concurrent;
using System.Numerics.Tensors;
using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Query.Models;

namespace ImageSearch.Query.Tests;

/// <summary>
/// A space whose sense is plain: one axis per word, plus one that all pictures share. It stands in for an embedding model, so that a test
/// can say what resembles what; the database, the store and the service around it are real.
/// </summary>
internal static class WordModel
{
    public const string Name = "words/1";
    public const int Dimensions = 16;

    private static readonly string[] Axes = ["", "dog", "cat", "car", "beach", "red", "blue", "green", "night", "people", "snow", "boat"];

    /// <summary>How often a picture of a size was encoded.</summary>
    public static readonly ConcurrentDictionary<(int Width, int Height), int> Encoded = new();

    public static float[] Vector(string words, float common = 0.4f)
    {
        var vector = new float[Dimensions];
        vector[0] = common;
        foreach (var word in words.ToLowerInvariant().Split([' ', ',', '.'], StringSplitOptions.RemoveEmptyEntries))
        {
            var axis = Array.IndexOf(Axes, word.TrimEnd('s'));

            // Words it does not know point all the same way, towards nothing in the collection.
            vector[axis > 0 ? axis : Dimensions - 1] += 1;
        }

        TensorPrimitives.Divide(vector, TensorPrimitives.Norm<float>(vector), vector);
        return vector;
    }

    public static SearchModel Open(RegisteredModel registered) => new()
    {
        Registered = registered,
        EncodeText = text => Vector(text),
        EncodePicture = (picture, _) =>
        {
            Encoded.AddOrUpdate((picture.Width, picture.Height), 1, (_, n) => n + 1);
            return Task.FromResult(Vector(Colour(picture)));
        },
        EncodeWindows = (_, _) => Task.FromResult(new WindowVectors(2, 1, 0.6f, 1, [Vector("dog"), Vector("beach")])),

        // Pictures of one axis each, as if photographed elsewhere.
        Shipped = [.. Enumerable.Range(0, 60).Select(i => Vector(Axes[1 + (i % 11)], 0.5f + (i % 7 / 20f)))],
    };

    private static string Colour(Picture picture)
    {
        var sums = new long[3];
        for (var i = 0; i < picture.Pixels.Length; i++)
        {
            if (i % picture.Channels < 3)
            {
                sums[i % picture.Channels] += picture.Pixels[i];
            }
        }

        return new[] { "red", "green", "blue" }[Array.IndexOf(sums, sums.Max())];
    }
}
