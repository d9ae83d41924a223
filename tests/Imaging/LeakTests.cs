using System.Diagnostics;

namespace ImageSearch.Imaging.Tests;

/// <summary>Alone: it measures the memory of the whole process.</summary>
[CollectionDefinition(nameof(LeakTests), DisableParallelization = true)]
[Collection(nameof(LeakTests))]
public class LeakTests
{
    [Fact]
    public void Thousands_of_good_and_bad_files_from_many_threads_leave_no_memory_behind()
    {
        var picture = TestFiles.Gradient(200, 150);
        var files = TestFiles.Formats.Select(f => TestFiles.Make(f, picture)).ToArray();
        Run(300);
        var before = Resident();
        Run(3_000);

        // 3,000 forgotten pictures of 200 x 150 would be 270 MB, 3,000 forgotten images without pixels about 10 MB.
        var growth = (Resident() - before) >> 20;
        Assert.True(growth < 64, $"{growth} MB more");

        void Run(int count) => Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            var file = files[i % files.Length];
            if (i % 3 == 0)
            {
                Assert.Throws<PictureException>(() => ImageFiles.Decode(file[..(file.Length / 2)]));
            }
            else if (i % 3 == 1)
            {
                Assert.Equal(200, ImageFiles.Probe(file).Width);
                Assert.Equal(50, ImageFiles.DecodeScaled(file, 50).Width);
            }
            else
            {
                Assert.NotEmpty(ImageFiles.Encode(ImageFiles.Decode(file), i % 2 == 0 ? ImageFormat.Jpeg : ImageFormat.Png));
            }
        });
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
