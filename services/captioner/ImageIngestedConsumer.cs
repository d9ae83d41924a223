using ImageSearch.Contracts;
using MassTransit;

namespace ImageSearch.Captioner;

/// <summary>Captions new pictures; for a known picture under another key, adds the words of that key.</summary>
public sealed class ImageIngestedConsumer(PictureCaptioner captioner) : IConsumer<ImageIngested>
{
    public Task Consume(ConsumeContext<ImageIngested> context) =>
        captioner.CaptionAsync(context, context.Message.Image, context.Message.Id, force: false);
}
