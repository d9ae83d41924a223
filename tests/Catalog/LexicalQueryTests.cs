using System.Text;
using ImageSearch.Catalog.Lexical;

namespace ImageSearch.Catalog.Tests;

public sealed class LexicalQueryTests
{
    [Theory]
    [InlineData("two dogs", "two dogs")]
    [InlineData("+dog -cat", "+dog -cat")]
    [InlineData("\"red car\" street", "+\"red car\" street")]
    [InlineData("-\"red car\"", "-\"red car\"")]
    [InlineData("tag:dog TAG:\"golden retriever\" -tag:cat", "+tag:dog +tag:\"golden retriever\" -tag:cat")]
    [InlineData("bicyc* +moun*", "bicyc* +moun*")]
    [InlineData("beach.jpg", "beach jpg")]
    [InlineData("-beach.jpg", "-\"beach jpg\"")]
    [InlineData("well-known", "well known")]
    [InlineData("\"unclosed phrase", "+\"unclosed phrase\"")]
    [InlineData("\"one\"", "+one")]
    [InlineData("+ - tag: \"\" * +* -\"", "")]
    [InlineData("ab\"cd ef\"gh", "ab +\"cd ef\" gh")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void Reads(string? text, string clauses)
    {
        var query = LexicalQuery.Parse(text);
        Assert.Equal(clauses, query.ToString());
        Assert.Equal(query.Clauses, LexicalQuery.Parse(query.ToString()).Clauses);
    }

    [Fact]
    public void Never_throws_and_stays_small()
    {
        var random = new Random(3);
        const string Pieces = "ab \"+-*:'\\%_();,\0\t\n\uD800\uDC00\uFFFF&|!<->tag:";
        for (var i = 0; i < 20_000; i++)
        {
            var text = new StringBuilder();
            for (var n = random.Next(40); n > 0; n--)
            {
                text.Append(random.Next(5) == 0 ? (char)random.Next(0x10000) : Pieces[random.Next(Pieces.Length)]);
            }

            var query = LexicalQuery.Parse(text.ToString());
            Assert.InRange(query.Clauses.Count, 0, LexicalQuery.MaxClauses);
            Assert.Equal(query.Clauses, LexicalQuery.Parse(query.ToString()).Clauses);
        }

        Assert.Equal(LexicalQuery.MaxClauses, LexicalQuery.Parse(string.Concat(Enumerable.Repeat("a ", 1_000_000))).Clauses.Count);
    }
}
