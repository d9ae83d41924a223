using ImageSearch.Contracts;
using MassTransit;

namespace ImageSearch.Codec;

/// <summary>Encodes new pictures.</summary>
public sealed class ImageIngestedConsumer(PictureEncoder encoder) : IConsumer<ImageIngested>
{
    public Task Consume(ConsumeContext<ImageIngested> context) =>
        encoder.EncodeAsync(context.Message.Image, context.Message.Id, force: false, context, context.CancellationToken);
}

/// <summary>Encodes again what an operator or an audit asks for.</summary>
public sealed class ReprocessConsumer(PictureEncoder encoder) : IConsumer<ImageReprocessRequested>
{
    public Task Consume(ConsumeContext<ImageReprocessRequested> context) => context.Message.Stage == Stages.Encode
        ? encoder.EncodeAsync(context.Message.Image, context.Message.Id, context.Message.Force, context, context.CancellationToken)
        : Task.CompletedTask;
}

/// <summary>Deletes the derived objects of pictures that are gone.</summary>
public sealed class ImageRemovedConsumer(PictureEncoder encoder) : IConsumer<ImageRemoved>
{
    public Task Consume(ConsumeContext<ImageRemoved> context) => encoder.RemoveAsync(context.Message.Id, context.CancellationToken);
}
