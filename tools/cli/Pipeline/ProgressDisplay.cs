using System.Collections.Concurrent;
using Spectre.Console;

namespace ImageSearch.Cli.Pipeline;

/// <summary>Progress of named stages: bars on a terminal, a line for each fifth of a stage when the output goes to a file or a pipe.</summary>
public sealed class ProgressDisplay
{
    private readonly ConcurrentDictionary<string, ProgressTask> bars = new();
    private readonly Dictionary<string, long> fifths = [];
    private readonly ProgressContext? context;

    private ProgressDisplay(ProgressContext? context) => this.context = context;

    public static Task RunAsync(Func<ProgressDisplay, Task> work) => Console.IsOutputRedirected
        ? work(new(null))
        : AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(context => work(new(context)));

    public void Show(string stage, long done, long total)
    {
        total = Math.Max(1, total);
        if (context is not null)
        {
            var bar = bars.GetOrAdd(stage, s => context.AddTask(s));
            (bar.MaxValue, bar.Value) = (total, done);
            return;
        }

        lock (fifths)
        {
            var fifth = 5 * done / total;
            if (fifth > fifths.GetValueOrDefault(stage))
            {
                fifths[stage] = fifth;
                Console.WriteLine($"{stage}: {done} of {total}");
            }
        }
    }
}
