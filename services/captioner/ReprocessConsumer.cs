using ImageSearch.Contracts;
using MassTransit;

namespace ImageSearch.Captioner;

/// <summary>Captions again what another captioner or prompt wrote, and anything when it is forced.</summary>
public sealed class ReprocessConsumer(PictureCaptioner captioner) : IConsumer<ImageReprocessRequested>
{
    public Task Consume(ConsumeContext<ImageReprocessRequested> context) => context.Message.Stage == Stages.Caption
        ? captioner.CaptionAsync(context, context.Message.Image, context.Message.Id, context.Message.Force)
        : Task.CompletedTask;
}
