using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

/// <summary>What someone types and finds, in English, while the documents wait in the tail and after they are merged.</summary>
public sealed class LexicalLanguageTests(LexicalPictures pictures) : IClassFixture<LexicalPictures>
{
    [Theory]
    [InlineData("dog", "01")]                          // stemmed: dogs
    [InlineData("DOGS", "01")]
    [InlineData("dog cat", "01")]
    [InlineData("+dog +cat", "1")]
    [InlineData("dog -cat", "0")]
    [InlineData("dog cat -sofa", "0")]
    [InlineData("red", "0124")]
    [InlineData("tag:red", "4")]
    [InlineData("tag:dog", "0")]
    [InlineData("red -tag:red", "012")]
    [InlineData("\"red car\"", "2")]
    [InlineData("\"car red\"", "")]
    [InlineData("\"red carpet\"", "")]                 // two tags side by side are no phrase
    [InlineData("\"street the wheel\"", "")]           // nor are caption and crop
    [InlineData("\"golden retriever\"", "0")]
    [InlineData("tag:\"golden retriever\"", "0")]
    [InlineData("tag:\"red car\"", "")]
    [InlineData("red -\"red car\"", "014")]
    [InlineData("\"dogs are running\"", "0")]
    [InlineData("\"cat on a red\"", "")]
    [InlineData("\"sleeps on a red sofa\"", "1")]
    [InlineData("\"sofa\"", "1")]
    [InlineData("moun*", "3")]
    [InlineData("mountain*", "3")]
    [InlineData("running*", "0")]                      // nothing starts so: the stem
    [InlineData("car*", "24")]
    [InlineData("+car* -carp*", "2")]
    [InlineData("tag:car*", "24")]
    [InlineData("+xylo* dog", "")]
    [InlineData("xylo* dog", "01")]
    [InlineData("berlin", "2")]                        // from the file name
    [InlineData("berlin_car.jpeg", "2")]
    [InlineData("+park +0042", "0")]
    [InlineData("Zürich", "4")]
    [InlineData("été", "4")]
    [InlineData("the", "")]
    [InlineData("the dog", "01")]
    [InlineData("+the +dog", "01")]
    [InlineData("dog -the", "01")]
    [InlineData("\"the\"", "")]
    [InlineData("unknownword", "")]
    [InlineData("unknownword dog", "01")]
    [InlineData("+unknownword dog", "")]
    [InlineData("-dog", "")]                           // nothing to rank by
    [InlineData("dog -dog", "")]
    [InlineData("", "")]
    public async Task Finds(string query, string expected)
    {
        long[] wanted = [.. expected.Select(c => pictures.Images[c - '0'])];
        foreach (var db in new[] { pictures.Pending.Db, pictures.Merged.Db })
        {
            var hits = await new LexicalIndex(db, new()).SearchAsync(LexicalQuery.Parse(query), 10);
            Assert.Equal(wanted, hits.Select(h => h.ImageId).Order());
            Assert.Equal(hits.OrderByDescending(h => h.Score).ThenBy(h => h.ImageId), hits);
        }
    }
}

/// <summary>Six pictures in two catalogues under the same ids.</summary>
public sealed class LexicalPictures : IAsyncLifetime
{
    public static readonly LexicalDocument[] Documents =
    [
        new(["dog", "golden retriever", "grass"], "Two dogs are running on the green grass", ["a dog with a red ball"], "IMG_0042-park.jpg"),
        new(["cat", "sofa"], "A cat sleeps on a red sofa beside a dog", [], "sofa.png"),
        new(["car", "street"], "A red car on the street", ["the wheel of a car", "red sports car"], "2024/berlin_car.jpeg"),
        new(["bicycle", "mountain"], "Cyclists ride bicycles up a mountain", [], "mountainbike.jpg"),
        new(["red", "carpet"], "An empty hall", ["floor"], "l'été à Zürich.jpg"),
        new([], "", [], ""),
    ];

    public LexicalFixture Pending { get; private set; } = null!;

    public LexicalFixture Merged { get; private set; } = null!;

    public long[] Images { get; private set; } = [];

    public async Task InitializeAsync()
    {
        Pending = await FilledAsync();
        Merged = await FilledAsync();
        Assert.Equal(Documents.Length, await new LexicalIndex(Merged.Db, new()).MergeAsync());
    }

    public async Task DisposeAsync()
    {
        await Pending.DisposeAsync();
        await Merged.DisposeAsync();
    }

    private async Task<LexicalFixture> FilledAsync()
    {
        var fixture = await LexicalFixture.CreateAsync();
        var index = new LexicalIndex(fixture.Db, new());
        Images = await fixture.ImagesAsync(Documents.Length);
        for (var i = 0; i < Images.Length; i++)
        {
            await fixture.SetAsync(index, Images[i], Documents[i]);
        }

        return fixture;
    }
}
