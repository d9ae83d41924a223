using ImageSearch.Evaluation.Loaders;

namespace ImageSearch.Evaluation.Tests;

public sealed class LoaderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("evaluation-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Folder_per_class_gives_labels_and_neighbours()
    {
        Pictures("set/water_lilly/1.jpg", "set/water_lilly/2.jpg", "set/ant/1.jpg");
        var set = Open("set");
        Assert.Equal(("set", "folder per class", 3), (set.Name, set.Format, set.Pictures.Count));
        Assert.Equal(["ant", "water lilly"], set.Of(QueryKind.Label).Select(q => q.Text));
        Assert.Equal(["water_lilly/1.jpg", "water_lilly/2.jpg"], set.Of(QueryKind.Label).Last().Relevant.Order());

        // The only ant has nobody to be found by it.
        Assert.Equal([("water_lilly/1.jpg", "water_lilly/2.jpg"), ("water_lilly/2.jpg", "water_lilly/1.jpg")], set.Of(QueryKind.Picture).Select(q => (q.Picture!, q.Relevant.Single())));
        Assert.All(set.Of(QueryKind.Picture), q => Assert.Equal(q.Picture, q.Ignored.Single()));
    }

    [Fact]
    public void Captions_keep_commas_and_quotes_and_leave_out_absent_pictures()
    {
        Pictures("set/images/a.jpg", "set/images/b.jpg", "set/images/unnamed.jpg");
        Text("set/captions.txt", "image,caption\r\na.jpg,A dog, running .\r\na.jpg,\"He said \"\"hi\"\",\nloudly\"\r\nb.jpg,Two cats\r\ngone.jpg,Nothing\r\n");
        var set = Open("set");
        Assert.Equal(["a.jpg", "b.jpg"], set.Pictures.Select(p => p.Name));
        Assert.Equal([("A dog, running .", "a.jpg"), ("He said \"hi\",\nloudly", "a.jpg"), ("Two cats", "b.jpg")], set.Of(QueryKind.Caption).Select(q => (q.Text!, q.Relevant.Single())));
    }

    [Fact]
    public void A_caption_line_without_a_caption_is_named()
    {
        Pictures("set/a.jpg");
        Text("set/captions.csv", "image,caption\na.jpg,fine\na.jpg\n");
        Assert.Contains("line 3", Assert.Throws<EvaluationSetException>(() => Open("set")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Coco_joins_captions_and_instances()
    {
        Pictures("set/val/1.jpg", "set/val/2.jpg");
        const string images = """ "images":[{"id":7,"file_name":"1.jpg"},{"id":8,"file_name":"2.jpg"},{"id":9,"file_name":"gone.jpg"}] """;
        Text("set/annotations/captions_val.json", $$"""{ {{images}}, "annotations":[{"image_id":7,"caption":" A bus. "},{"image_id":9,"caption":"Gone"}]}""");
        Text("set/annotations/instances_val.json", $$"""
            { {{images}}, "categories":[{"id":3,"name":"bus"},{"id":5,"name":"dog"}],
              "annotations":[{"image_id":7,"category_id":3},{"image_id":7,"category_id":3},{"image_id":7,"category_id":5},{"image_id":8,"category_id":5},{"image_id":9,"category_id":3}]}
            """);
        var set = Open("set");
        Assert.Equal("COCO", set.Format);
        Assert.Equal(("A bus.", "1.jpg"), set.Of(QueryKind.Caption).Select(q => (q.Text!, q.Relevant.Single())).Single());
        Assert.Equal([("bus", 1), ("dog", 2)], set.Of(QueryKind.Label).Select(q => (q.Text!, q.Relevant.Count)));

        // Only the picture with one label asks for its like.
        Assert.Equal(("2.jpg", "1.jpg"), set.Of(QueryKind.Picture).Select(q => (q.Picture!, q.Relevant.Single())).Single());
    }

    [Fact]
    public void Voc_leaves_difficult_objects_out()
    {
        Pictures("set/JPEGImages/a.jpg", "set/JPEGImages/b.jpg", "set/JPEGImages/c.jpg");
        static string Xml(string name, string objects) => $"<annotation><filename>{name}</filename>{objects}</annotation>";
        Text("set/Annotations/a.xml", Xml("a.jpg", "<object><name>cat</name><difficult>0</difficult></object><object><name>dog</name></object>"));
        Text("set/Annotations/b.xml", Xml("b.jpg", "<object><name>cat</name><difficult>1</difficult></object>"));
        Text("set/Annotations/c.xml", Xml("c.jpg", "<object><name>cat</name></object>"));
        var cat = Open("set").Of(QueryKind.Label).First();
        Assert.Equal("cat", cat.Text);
        Assert.Equal(["a.jpg", "c.jpg"], cat.Relevant.Order());
        Assert.Equal(["b.jpg"], cat.Ignored);
    }

    [Fact]
    public void Voc_refuses_entities()
    {
        Pictures("set/a.jpg");
        Text("set/Annotations/a.xml", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><annotation><filename>&x;</filename></annotation>");
        Assert.Throws<EvaluationSetException>(() => Open("set"));
    }

    [Fact]
    public void Oxford_lists_give_regions_right_answers_and_junk()
    {
        Pictures("set/images/all_souls_1.jpg", "set/images/all_souls_2.jpg", "set/images/all_souls_3.jpg", "set/images/radcliffe_1.jpg");
        Text("set/gt/all_souls_1_query.txt", "oxc1_all_souls_1 136.5 34.1 648.5 955.7\n");
        Text("set/gt/all_souls_1_good.txt", "all_souls_1\nmissing_1\n");
        Text("set/gt/all_souls_1_ok.txt", "all_souls_2\n");
        Text("set/gt/all_souls_1_junk.txt", "all_souls_3\n");
        var set = Open("set");
        Assert.Equal(4, set.Pictures.Count);
        var query = Assert.Single(set.Queries);
        Assert.Equal(("all_souls_1", new Region(136.5, 34.1, 512, 921.6)), (query.Picture!, query.Region! with { Height = Math.Round(query.Region!.Height, 6) }));
        Assert.Equal(["all_souls_1", "all_souls_2"], query.Relevant.Order());
        Assert.Equal(["all_souls_3"], query.Ignored);
    }

    [Fact]
    public void A_folder_of_sets_gives_each_of_them()
    {
        Pictures("all/classes/x/1.jpg", "all/classes/y/1.jpg", "all/plain/1.png", "all/plain/2.png", "all/nothing/one/deep.jpg");
        var sets = EvaluationSets.Open(Path.Combine(folder, "all"));
        Assert.Equal([("classes", "folder per class"), ("plain", "pictures")], sets.Select(s => (s.Name, s.Format)));
        Text("empty/readme.md", "");
        Assert.Throws<EvaluationSetException>(() => Open("empty"));
    }

    [Fact]
    public void A_sample_keeps_only_what_can_still_be_answered()
    {
        Pictures([.. Enumerable.Range(0, 20).Select(i => $"set/{"abcde"[i % 5]}/{i}.jpg")]);
        var sample = Open("set").Sample(8);
        var names = sample.Pictures.Select(p => p.Name).ToHashSet();
        Assert.Equal(8, names.Count);
        Assert.Equal(names, sample.Of(QueryKind.Label).SelectMany(q => q.Relevant).ToHashSet());
        Assert.All(sample.Of(QueryKind.Picture), q => Assert.True(names.Contains(q.Picture!) && q.Relevant.Count > 0 && q.Relevant.IsSubsetOf(names)));
        Assert.Equal(names, Open("set").Sample(8).Pictures.Select(p => p.Name).ToHashSet());
    }

    private EvaluationSet Open(string name) => Assert.Single(EvaluationSets.Open(Path.Combine(folder, name)));

    // Loaders look at names only.
    private void Pictures(params string[] names) => Array.ForEach(names, n => Text(n, ""));

    private void Text(string name, string text)
    {
        var path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
