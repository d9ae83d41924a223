namespace ImageSearch.Catalog.Lexical;

/// <summary>
/// The k best documents over cursors, document at a time. MaxScore (Turtle and Flood 1995) with block maxima (Ding and Suel 2011): the
/// terms whose maxima together stay under the k-th best score only add to documents that another term brings up, and stretches of
/// ids whose block maxima stay under it are skipped without decoding. Required terms let the walk leap from one document of the rarest
/// to the next. Exact: a bound prunes only what is strictly below.
/// </summary>
internal sealed class BlockMaxSearch
{
    // Sums in another order differ in the last bits; bounds keep this much more than they need.
    private const double Slack = 1 - 1e-9;

    private readonly PostingCursor[] scored;   // by ascending maximum
    private readonly Condition[] must, not;
    private readonly double[] parts;           // by term, so that equal documents get equal sums
    private readonly double[] maxima;          // maxima[i]: sum of the maxima of scored[..i]

    /// <summary>At least one of the cursors stands on the document, on a tag where <paramref name="TagOnly"/>.</summary>
    public sealed record Condition(PostingCursor[] Cursors, bool TagOnly)
    {
        public long Count { get; } = Cursors.Sum(c => (long)c.Count);

        /// <summary>First document at or after the given one that may satisfy it.</summary>
        public long From(long imageId)
        {
            var from = PostingCursor.End;
            foreach (var cursor in Cursors)
            {
                cursor.Seek(imageId);
                from = Math.Min(from, cursor.ImageId);
            }

            return from;
        }

        public bool Holds(long imageId)
        {
            var holds = false;
            foreach (var cursor in Cursors)
            {
                cursor.Seek(imageId);
                holds |= cursor.ImageId == imageId && (!TagOnly || cursor.Tagged);
            }

            return holds;
        }
    }

    /// <param name="must">Of terms that are scored too.</param>
    public BlockMaxSearch(IEnumerable<PostingCursor> scored, IEnumerable<Condition> must, IEnumerable<Condition> not, int terms)
    {
        this.scored = [.. scored.OrderBy(c => c.Maximum)];
        this.must = [.. must.OrderBy(c => c.Count)];
        this.not = [.. not];
        parts = new double[terms];
        maxima = new double[this.scored.Length + 1];
        for (var i = 0; i < this.scored.Length; i++)
        {
            maxima[i + 1] = maxima[i] + this.scored[i].Maximum;
        }
    }

    /// <param name="floor">At least k documents are known to score this much or more.</param>
    public List<LexicalHit> Run(int k, double floor = 0)
    {
        foreach (var cursor in scored.Concat(must.Concat(not).SelectMany(c => c.Cursors)).Distinct())
        {
            cursor.Reset();
        }

        var best = new TopHits(k, floor * Slack);
        Walk(best);
        return best.Sorted();
    }

    private void Walk(TopHits best)
    {
        var essential = 0;
        var bounded = -1L;      // bound holds up to this id
        var bound = 0.0;
        while (true)
        {
            var before = essential;
            while (essential < scored.Length && maxima[essential + 1] < best.Threshold)
            {
                essential++;
            }

            bounded = before == essential ? bounded : -1;
            var id = PostingCursor.End;
            for (var i = essential; i < scored.Length; i++)
            {
                id = Math.Min(id, scored[i].ImageId);
            }

            if (id == PostingCursor.End)
            {
                return;
            }

            if (best.Threshold > 0)
            {
                if (id > bounded)
                {
                    bound = Bound(essential, id, out bounded);
                }

                if (bound < best.Threshold)
                {
                    var target = bounded;
                    while (bound < best.Threshold && bounded != PostingCursor.End)
                    {
                        target = bounded + 1;
                        bound = Bound(essential, target, out bounded);
                    }

                    SkipTo(essential, bound < best.Threshold ? PostingCursor.End : target);
                    continue;
                }
            }

            if (must.Length > 0 && must[0].From(id) is var required && required > id)
            {
                SkipTo(essential, required);
                continue;
            }

            var sum = 0.0;
            Array.Clear(parts);
            for (var i = essential; i < scored.Length; i++)
            {
                if (scored[i].ImageId == id)
                {
                    sum += parts[scored[i].Term] = scored[i].Score;
                }
            }

            if (Complete(essential, id, sum, best) && Holds(must, id) && !Excluded(id))
            {
                best.Add(new(id, Sum()));
            }

            for (var i = essential; i < scored.Length; i++)
            {
                if (scored[i].ImageId == id)
                {
                    scored[i].Next();
                }
            }
        }
    }

    private double Bound(int essential, long id, out long end)
    {
        var bound = maxima[essential];
        end = PostingCursor.End;
        for (var i = essential; i < scored.Length; i++)
        {
            bound += scored[i].Bound(id, out var blockEnd);
            end = Math.Min(end, blockEnd);
        }

        return bound;
    }

    private void SkipTo(int essential, long id)
    {
        for (var i = essential; i < scored.Length; i++)
        {
            scored[i].Seek(id);
        }
    }

    /// <summary>Adds the other terms' parts; false as soon as the document cannot reach the threshold.</summary>
    private bool Complete(int essential, long id, double sum, TopHits best)
    {
        for (var i = essential - 1; i >= 0; i--)
        {
            if (sum + maxima[i + 1] < best.Threshold || sum + maxima[i] + scored[i].Bound(id, out _) < best.Threshold)
            {
                return false;
            }

            scored[i].Seek(id);
            if (scored[i].ImageId == id)
            {
                sum += parts[scored[i].Term] = scored[i].Score;
            }
        }

        return sum >= best.Threshold;
    }

    private static bool Holds(Condition[] conditions, long id)
    {
        foreach (var condition in conditions)
        {
            if (!condition.Holds(id))
            {
                return false;
            }
        }

        return true;
    }

    private bool Excluded(long id)
    {
        foreach (var condition in not)
        {
            if (condition.Holds(id))
            {
                return true;
            }
        }

        return false;
    }

    private double Sum()
    {
        var sum = 0.0;
        foreach (var part in parts)
        {
            sum += part;
        }

        return sum;
    }

    private sealed class TopHits(int k, double floor)
    {
        // Worst first: lowest score, then highest id.
        private readonly PriorityQueue<LexicalHit, (double Score, long MinusId)> hits = new(Math.Min(k, 4096) + 1);

        public double Threshold { get; private set; } = floor;

        public void Add(LexicalHit hit)
        {
            if (hits.Count < k)
            {
                hits.Enqueue(hit, (hit.Score, -hit.ImageId));
            }
            else
            {
                hits.EnqueueDequeue(hit, (hit.Score, -hit.ImageId));
            }

            if (hits.Count == k)
            {
                Threshold = Math.Max(Threshold, hits.Peek().Score * Slack);
            }
        }

        public List<LexicalHit> Sorted() => [.. hits.UnorderedItems.Select(i => i.Element).OrderByDescending(h => h.Score).ThenBy(h => h.ImageId)];
    }
}
