namespace ImageSearch.Captioner.Tests;

public class KeyWordsTests
{
    [Theory]
    [InlineData("trips/2024/BeachDay-IMG_12.jpg", "trips 2024 Beach Day IMG 12")]
    [InlineData("dalmatian/image_0001.jpg", "dalmatian image 0001")]
    [InlineData("größe straße.PNG", "größe straße")]
    [InlineData(".hidden", "hidden")]
    [InlineData("v1.2/notes.about something", "v 1 2 notes about something")]
    [InlineData("///", "")]
    public void A_key_gives_its_words(string key, string words) => Assert.Equal(words, KeyWords.Of([key]));

    [Fact]
    public void Words_of_several_keys_come_once() => Assert.Equal("a dog b", KeyWords.Of(["a/dog.jpg", "b/Dog.png"]));

    [Fact]
    public void A_hostile_key_gives_at_most_64_words() =>
        Assert.Equal(64, KeyWords.Of([string.Join('_', Enumerable.Range(0, 500).Select(i => $"w{(char)('a' + (i % 26))}{(char)('a' + (i / 26))}"))]).Split(' ').Length);
}
