namespace ImageSearch.Catalog.Lexical;

public sealed partial class LexicalIndex
{
    /// <summary>Up to this many closed blocks (about a quarter of a million postings, 1 MB) it is faster to load all in one round trip
    /// than to find out first which ones matter.</summary>
    internal int LoadAtOnce { get; init; } = 1024;

    /// <summary>The k best matches, best first; equal scores by ascending id. Empty for a query without a positive word.</summary>
    /// <exception cref="InvalidOperationException">The index was made with another language or other field weights.</exception>
    public async Task<IReadOnlyList<LexicalHit>> SearchAsync(LexicalQuery query, int k, LexicalSearch? search = null, CancellationToken ct = default) =>
        (await AnswerAsync(query, k, search, ct)).Hits;

    /// <summary>The same with the words that were scored.</summary>
    /// <exception cref="InvalidOperationException">The index was made with another language or other field weights.</exception>
    public async Task<LexicalAnswer> AnswerAsync(LexicalQuery query, int k, LexicalSearch? search = null, CancellationToken ct = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(k);
        if (k == 0 || query.Clauses.Count == 0)
        {
            return LexicalAnswer.None;
        }

        await SettleAsync(ct);
        await using var reader = await LexicalReader.OpenAsync(db, ct);
        var plan = await LexicalPlan.MakeAsync(query, options, reader, words, ct);
        if (plan.Scored.Count == 0 || plan.Must.Any(m => m.Terms.Length == 0))
        {
            return LexicalAnswer.None;
        }

        var evaluation = await EvaluationAsync(plan, reader, ct);
        if (search?.Accept is null && plan.Phrases.Count == 0)
        {
            return new(await evaluation.BestAsync(k, ct), evaluation.Terms);
        }

        // Matches are judged from the best down, in growing batches, until k are accepted or none is left.
        HashSet<long> judged = [], accepted = [];
        for (var take = Math.Max(64L, 4L * k); ; take *= 4)
        {
            var best = await evaluation.BestAsync((int)Math.Min(take, int.MaxValue), ct);
            IReadOnlyList<long> fresh = [.. best.Select(h => h.ImageId).Where(judged.Add)];
            fresh = await WithPhrasesAsync(plan, reader, fresh, ct);
            accepted.UnionWith(search?.Accept is { } accept && fresh.Count > 0 ? (await accept(fresh, ct)).Intersect(fresh) : fresh);
            if (accepted.Count >= k || best.Count < take)
            {
                return new([.. best.Where(h => accepted.Contains(h.ImageId)).Take(k)], evaluation.Terms);
            }
        }
    }

    private async Task<IReadOnlyList<long>> WithPhrasesAsync(LexicalPlan plan, LexicalReader reader, IReadOnlyList<long> images, CancellationToken ct)
    {
        foreach (var (text, tagOnly, negated) in plan.Phrases)
        {
            if (images.Count > 0)
            {
                var with = await reader.WithPhraseAsync(options.Language, text, tagOnly, images, ct);
                images = [.. images.Where(i => with.Contains(i) != negated)];
            }
        }

        return images;
    }

    private async Task<Evaluation> EvaluationAsync(LexicalPlan plan, LexicalReader reader, CancellationToken ct)
    {
        var (documents, length, _, terms) = await reader.TermsAsync(plan.Lexemes, ct);
        var bm25 = Formula(documents, length);
        var cursors = new PostingCursor[terms.Length][];
        for (var t = 0; t < terms.Length; t++)
        {
            var idf = bm25.Idf(terms[t].Df);
            var blocks = new PostingCursor(t, plan.Lexemes[t], idf, bm25, terms[t].Closed, terms[t].Open, terms[t].Masked);
            var tail = new PostingCursor(t, plan.Lexemes[t], idf, bm25, [], terms[t].Tail, null);
            cursors[t] = [.. new[] { blocks, tail }.Where(c => c.Count > 0)];
        }

        BlockMaxSearch.Condition Condition((int[] Terms, bool TagOnly) c) => new([.. c.Terms.SelectMany(t => cursors[t])], c.TagOnly);
        return new(reader, [.. plan.Scored.SelectMany(t => cursors[t])], [.. plan.Must.Select(Condition)], [.. plan.Not.Select(Condition)], terms.Length, LoadAtOnce)
        {
            Terms = [.. plan.Scored.Select(t => new LexicalTerm(plan.Lexemes[t], bm25.Idf(terms[t].Df), plan.Expanded.Contains(t)))],
        };
    }

    /// <summary>Runs one query, loading only the blocks that can matter.</summary>
    private sealed class Evaluation(LexicalReader reader, PostingCursor[] scored, BlockMaxSearch.Condition[] must, BlockMaxSearch.Condition[] not, int terms, int loadAtOnce)
    {
        public required IReadOnlyList<LexicalTerm> Terms { get; init; }

        public async Task<List<LexicalHit>> BestAsync(int k, CancellationToken ct)
        {
            var floor = 0.0;
            var excluding = not.SelectMany(c => c.Cursors);
            var all = scored.Concat(must.SelectMany(c => c.Cursors)).Concat(excluding).Distinct().Where(c => !c.Loaded).ToList();
            if (all.Sum(c => (long)c.Closed) <= loadAtOnce)
            {
                await reader.LoadAsync([.. all.Select(c => (c, (IReadOnlyCollection<int>?)null))], ct);
            }
            else if (must.Length > 0)
            {
                await LoadForAsync(must.MinBy(c => c.Count)!, all, ct);
            }
            else
            {
                await reader.LoadAsync([.. excluding.Distinct().Select(c => (c, (IReadOnlyCollection<int>?)null))], ct);
                floor = await LoadAboveAsync(k, ct);
            }

            return new BlockMaxSearch(scored, must, not, terms).Run(k, floor);
        }

        /// <summary>All of the rarest condition, and of the others the blocks where its documents lie.</summary>
        private async Task LoadForAsync(BlockMaxSearch.Condition driver, List<PostingCursor> all, CancellationToken ct)
        {
            await reader.LoadAsync([.. driver.Cursors.Select(c => (c, (IReadOnlyCollection<int>?)null))], ct);
            await LoadAroundAsync(driver.Cursors, [.. all.Except(driver.Cursors)], 0, ct);
        }

        /// <summary>Whole terms from the highest maximum down, until the rest together cannot reach the k-th best score so far; of the
        /// rest only the blocks where a document of the loaded terms may still get there. Returns that score.</summary>
        private async Task<double> LoadAboveAsync(int k, CancellationToken ct)
        {
            var order = scored.OrderBy(c => c.Maximum).ToArray();
            var rest = order.Length;
            var floor = 0.0;
            while (rest > 0)
            {
                List<(PostingCursor, IReadOnlyCollection<int>?)> load = [];
                var blocks = 0L;
                while (rest > 0 && (load.Count == 0 || order[rest - 1].Loaded || blocks + order[rest - 1].Closed <= loadAtOnce / 2))
                {
                    var cursor = order[--rest];
                    blocks += cursor.Loaded ? 0 : cursor.Closed;
                    if (!cursor.Loaded)
                    {
                        load.Add((cursor, null));
                    }
                }

                await reader.LoadAsync(load, ct);
                if (rest == 0)
                {
                    return 0;
                }

                var best = new BlockMaxSearch(order[rest..], [], not, terms).Run(k);
                floor = best.Count == k ? best[^1].Score : 0;
                if (order[..rest].Sum(c => c.Maximum) < floor * (1 - 1e-6))
                {
                    await LoadAroundAsync(order[rest..], order[..rest], floor * (1 - 1e-6), ct);
                    return floor;
                }
            }

            return floor;
        }

        private async Task LoadAroundAsync(PostingCursor[] loaded, PostingCursor[] others, double floor, CancellationToken ct)
        {
            var needed = others.Select(_ => new HashSet<int>()).ToArray();
            foreach (var cursor in loaded)
            {
                cursor.Reset();
            }

            foreach (var cursor in others)
            {
                cursor.ResetShallow();
            }

            while (loaded.Length > 0)
            {
                var id = loaded.Min(c => c.ImageId);
                if (id == PostingCursor.End)
                {
                    break;
                }

                var bound = 0.0;
                foreach (var cursor in loaded)
                {
                    if (cursor.ImageId == id)
                    {
                        bound += floor > 0 ? cursor.Score : 0;
                        cursor.Next();
                    }
                }

                if (floor > 0)
                {
                    foreach (var cursor in others)
                    {
                        bound += cursor.Bound(id, out _);
                    }
                }

                if (bound >= floor)
                {
                    for (var i = 0; i < others.Length; i++)
                    {
                        if (others[i].MissingBlockOf(id) is >= 0 and var block)
                        {
                            needed[i].Add(block);
                        }
                    }
                }
            }

            await reader.LoadAsync([.. others.Zip(needed, (c, n) => (c, (IReadOnlyCollection<int>?)n))], ct);
        }
    }
}
