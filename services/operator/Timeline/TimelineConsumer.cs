using System.Diagnostics;
using ImageSearch.Catalog.Operations;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using MassTransit;

namespace ImageSearch.Operator.Timeline;

/// <summary>Writes every event of the pipeline down, so that a picture's whole way can be shown.</summary>
public sealed class TimelineConsumer(TimelineWriter writer) :
    IConsumer<ImageIngested>, IConsumer<ImageRejected>, IConsumer<ImageRemoved>, IConsumer<ImageEncoded>, IConsumer<ImageEmbedded>, IConsumer<ImageCaptioned>, IConsumer<ImageReprocessRequested>
{
    public static readonly EndpointSettings Settings = new(Prefetch: 400, Concurrency: 200);

    public Task Consume(ConsumeContext<ImageIngested> context) =>
        Write(context, "ingested", context.Message.At, context.Message.Image, context.Message.Id, context.Message.Bucket, context.Message.Key);

    public Task Consume(ConsumeContext<ImageRejected> context) =>
        Write(context, "rejected", context.Message.At, null, null, context.Message.Bucket, context.Message.Key, $"{context.Message.Code}: {context.Message.Reason}");

    public Task Consume(ConsumeContext<ImageRemoved> context) => Write(context, "removed", context.Message.At, context.Message.Image, context.Message.Id);

    public Task Consume(ConsumeContext<ImageEncoded> context) =>
        Write(context, "encoded", context.Message.At, context.Message.Image, context.Message.Id, detail: context.Message.BitstreamKey);

    public Task Consume(ConsumeContext<ImageEmbedded> context) => Write(context, "embedded", context.Message.At, context.Message.Image, context.Message.Id, detail: context.Message.Model);

    public Task Consume(ConsumeContext<ImageCaptioned> context) => Write(context, "captioned", context.Message.At, context.Message.Image, context.Message.Id, detail: context.Message.Captioner);

    public Task Consume(ConsumeContext<ImageReprocessRequested> context) =>
        Write(context, "requested", context.Message.At, context.Message.Image, context.Message.Id,
            detail: context.Message.Model is { } model ? $"{context.Message.Stage} with {model}" : context.Message.Stage);

    private Task Write(ConsumeContext context, string stage, DateTimeOffset at, long? image, ImageId? id, string? bucket = null, string? key = null, string? detail = null) =>
        writer.StoreAsync(
            new(context.MessageId ?? NewId.NextGuid(), at, stage, image, id?.ToBytes(), bucket, key?.Replace('\0', '\uFFFD'), detail?.Replace('\0', '\uFFFD'), Activity.Current?.TraceId.ToString()),
            context.CancellationToken);
}
