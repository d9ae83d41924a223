using System.Diagnostics;
using ImageSearch.Catalog;
using ImageSearch.Imaging;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ImageSearch.Captioner.Chat;

/// <summary>Has a multi-modal LLM describe the whole picture and then each crop, within the picture's budget of time and tokens.</summary>
public sealed class ChatCaptioner(ChatClient client, ChatOptions options, IReadOnlyList<Region> regions, string grid, TimeProvider time, ILogger<ChatCaptioner> log) : ICaptioner
{
    private readonly Prompt prompt = Prompt.Load(options.PromptVersion, options.Language);
    private volatile CaptionException? trouble;

    public string Name => $"mllm:{options.Model}";

    public string Version => $"{prompt.Version}/{options.Language}/{grid}";

    public HealthCheckResult Health => trouble is { } t
        ? HealthCheckResult.Degraded($"Captions wait for the M-LLM server: {t.Message}")
        : HealthCheckResult.Healthy();

    public async Task<IReadOnlyList<RegionText>> CaptionAsync(ReadOnlyMemory<byte> original, CancellationToken ct = default)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(options.SecondsPerPicture), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);

        // Large enough that the smallest crop still has the longest side asked for, if the original has it.
        var picture = ImageFiles.DecodeScaled(original, (int)Math.Min(8192, MathF.Ceiling(options.LongestSide / regions.Min(r => MathF.Min(r.Width, r.Height)))));
        List<RegionText> texts = [];
        var tokens = 0;
        foreach (var region in regions)
        {
            try
            {
                var text = await DescribeAsync(picture, region, options.TokensPerPicture - tokens, either.Token);
                tokens += text.PromptTokens + text.CompletionTokens;
                texts.Add(text);
                trouble = null;
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                if (region.Number == 0)
                {
                    throw Note(new(CaptionFailure.TimedOut, $"The whole picture had no words after {options.SecondsPerPicture:0.#} s. Raise Captioner:Chat:SecondsPerPicture."));
                }

                Note(new(CaptionFailure.BudgetSpent, ""));
                log.LogWarning("Time is spent after {Done} of {All} regions", texts.Count, regions.Count);
                break;
            }
            catch (CaptionException e) when (region.Number > 0 && e.Kind is CaptionFailure.BudgetSpent)
            {
                Note(e);
                log.LogWarning("Tokens are spent after {Done} of {All} regions", texts.Count, regions.Count);
                break;
            }
            catch (CaptionException e) when (region.Number > 0 && !e.ConcernsAll && !e.MayPass)
            {
                // The picture has words; what the model cannot say of one crop shall not take them away.
                Note(e);
                log.LogWarning("Region {Region} goes without words: {Reason}", region.Number, e.Message);
            }
            catch (CaptionException e)
            {
                throw Note(e);
            }
        }

        return texts;
    }

    private async Task<RegionText> DescribeAsync(Picture picture, Region region, int tokensLeft, CancellationToken ct)
    {
        var clock = Stopwatch.StartNew();
        var (x, y, width, height) = region.Cells(picture.Width, picture.Height);
        var jpeg = ImageFiles.Encode(picture.Crop(x, y, width, height).FitWithin(options.LongestSide), ImageFormat.Jpeg, 85);
        List<ChatMessage> messages = [new("system", prompt.System), new("user", prompt.For(region), jpeg)];
        var (promptTokens, completionTokens) = (0, 0);
        foreach (var repair in (bool[])[false, true])
        {
            var most = Math.Min(options.TokensPerAnswer, tokensLeft - promptTokens - completionTokens);
            if (most < 32)
            {
                throw new CaptionException(CaptionFailure.BudgetSpent, $"The {options.TokensPerPicture:N0} tokens of the picture are spent. Raise Captioner:Chat:TokensPerPicture or lower LongestSide.");
            }

            var reply = await client.CompleteAsync(messages, most, ct);
            var (asked, answered) = Tokens(reply, messages);
            promptTokens += asked;
            completionTokens += answered;
            CaptionMetrics.Tokens.Add(asked, new KeyValuePair<string, object?>("direction", "prompt"));
            CaptionMetrics.Tokens.Add(answered, new KeyValuePair<string, object?>("direction", "completion"));
            if (CaptionJson.Parse(reply.Text) is { } answer)
            {
                return new(region.Number, region.X, region.Y, region.Width, region.Height, answer.Tags, answer.Caption, promptTokens, completionTokens, (float)clock.Elapsed.TotalMilliseconds);
            }

            if (repair)
            {
                throw new CaptionException(CaptionFailure.Unusable, $"Neither the answer nor its repair has tags or a caption; the model wrote: {CaptionJson.Clean(reply.Text, 200)}");
            }

            messages.Add(new("assistant", CaptionJson.Clean(reply.Text, 2000)));
            messages.Add(new("user", prompt.Repair));
        }

        throw new UnreachableException();
    }

    /// <summary>As the server counts; where it does not, about 4 characters a token and 600 tokens a picture.</summary>
    private static (int Prompt, int Completion) Tokens(ChatReply reply, List<ChatMessage> messages) => (
        reply.PromptTokens > 0 ? reply.PromptTokens : messages.Sum(m => (m.Text.Length / 4) + (m.Image is null ? 0 : 600)),
        reply.CompletionTokens > 0 ? reply.CompletionTokens : (reply.Text.Length / 4) + 1);

    private CaptionException Note(CaptionException e)
    {
        CaptionMetrics.Failures.Add(1, new KeyValuePair<string, object?>("kind", e.Kind.ToString()));
        trouble = e.ConcernsAll || e.MayPass ? e : trouble;
        return e;
    }
}
