using ImageSearch.Contracts;
using MassTransit;

namespace ImageSearch.Embedder;

/// <summary>Embeds freshly encoded pictures under every live model.</summary>
public sealed class ImageEncodedConsumer(PictureEmbedder embedder) : IConsumer<ImageEncoded>
{
    public Task Consume(ConsumeContext<ImageEncoded> context) =>
        embedder.EmbedAsync(context.Message.Image, context.Message.Id, model: null, force: false, context, context.CancellationToken);
}

/// <summary>Embeds again, or under a model that is being filled.</summary>
public sealed class ReprocessConsumer(PictureEmbedder embedder) : IConsumer<ImageReprocessRequested>
{
    public Task Consume(ConsumeContext<ImageReprocessRequested> context) => context.Message.Stage == Stages.Embed
        ? embedder.EmbedAsync(context.Message.Image, context.Message.Id, context.Message.Model, context.Message.Force, context, context.CancellationToken)
        : Task.CompletedTask;
}
