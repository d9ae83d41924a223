using Amazon.Runtime;
using ImageSearch.Catalog;
using ImageSearch.Contracts;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace ImageSearch.Ingest.Uploads;

/// <summary>What became of one uploaded file. <c>Status</c>: registered, duplicate, known or rejected.</summary>
public sealed record UploadedFile(string File, string Key, string Status, ImageId? Id, string? Code, string? Reason);

/// <summary>State of a key. <c>Status</c>: registered or rejected.</summary>
public sealed record ObjectState(string Key, string Status, ImageId? Id, bool Searchable, string? Code, string? Reason);

/// <summary>Upload, state and deletion over HTTP, for clients without S3.</summary>
public static class UploadEndpoints
{
    public static void MapUploads(this WebApplication app)
    {
        app.MapPost("/images", UploadAsync).DisableAntiforgery().WithSummary("Stores pictures (multipart/form-data, one or more files).");
        app.MapGet("/objects/{**key}", StateAsync).WithSummary("State of an uploaded key: registered with its image id, or rejected with the reason.");
        app.MapDelete("/images/{id}", DeleteAsync).WithSummary("Deletes every key that holds the picture.");
    }

    private static async Task<Results<Ok<List<UploadedFile>>, ProblemHttpResult>> UploadAsync(
        HttpRequest request, ObjectStore store, ImageCatalog catalog, ObjectSync sync, IOptions<IngestOptions> options, CancellationToken ct)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || HeaderUtilities.RemoveQuotes(type.Boundary).Value is not { Length: > 0 and <= 200 } boundary)
        {
            return TypedResults.Problem("Send the pictures as multipart/form-data, for instance curl -F file=@picture.jpg.", statusCode: StatusCodes.Status415UnsupportedMediaType);
        }

        // One file of the largest size, or many smaller ones; each file is held to MaxBytes while it is read.
        request.HttpContext.AllowBody(options.Value.MaxBytes + (10L << 20));
        var reader = new MultipartReader(boundary, request.Body);
        List<UploadedFile> results = [];
        try
        {
            while (await reader.ReadNextSectionAsync(ct) is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition) || !disposition.IsFileDisposition())
                {
                    continue;
                }

                if (results.Count == options.Value.MaxFilesPerUpload)
                {
                    return TypedResults.Problem($"At most {options.Value.MaxFilesPerUpload} files are taken in one request; the first {results.Count} are stored.", statusCode: StatusCodes.Status413PayloadTooLarge);
                }

                var name = CleanName(disposition.FileNameStar.HasValue ? disposition.FileNameStar.Value : HeaderUtilities.RemoveQuotes(disposition.FileName).Value);
                results.Add(await StoreAsync(name, section, store, catalog, sync, options.Value, ct));
            }
        }
        catch (TemporarySpaceException e)
        {
            return TypedResults.Problem($"{e.Message} {results.Count} files before it are stored.", statusCode: StatusCodes.Status507InsufficientStorage);
        }
        catch (AmazonServiceException e)
        {
            return TypedResults.Problem($"The object store did not take the file: {e.Message} {results.Count} files before it are stored; send the rest again later.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }
        catch (Exception e) when (e is InvalidDataException or BadHttpRequestException or IOException)
        {
            return TypedResults.Problem($"The multipart body is broken, too large or too slow: {e.Message} {results.Count} files before it are stored.", statusCode: e is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status400BadRequest);
        }

        return results.Count > 0
            ? TypedResults.Ok(results)
            : TypedResults.Problem("The request holds no file; name at least one part with a file name.", statusCode: StatusCodes.Status400BadRequest);
    }

    private static async Task<UploadedFile> StoreAsync(
        string name, MultipartSection section, ObjectStore store, ImageCatalog catalog, ObjectSync sync, IngestOptions options, CancellationToken ct)
    {
        using var file = await TemporaryFile.ReadAsync(section.Body, options.TemporaryFolder, options.MaxBytes, ct);
        if (file is null)
        {
            return new(name, "", "rejected", null, nameof(Imaging.PictureError.TooLarge), $"The file is larger than {options.MaxBytes:N0} bytes. Send a smaller one, or raise Ingest:MaxBytes.");
        }

        // The content is part of the key: the same file again is the same object, another file of the same name is another.
        var id = file.Id;
        var key = $"uploads/{id.Hex[..16]}/{name}";
        var bucket = store.Options.UploadBucket;
        await store.PutAsync(bucket, key, file.Content, section.ContentType is { Length: < 100 } type ? type : "application/octet-stream", ct);
        var result = await sync.SyncAsync(key, ct);
        var rejection = result == SyncResult.Rejected ? await catalog.FindRejectionAsync(bucket, key, ct) : null;
        if (rejection is not null)
        {
            await store.DeleteAsync(bucket, key, ct);
        }

        return new(name, key, result.ToString().ToLowerInvariant(), rejection is null ? id : null, rejection?.Code, rejection?.Reason);
    }

    private static async Task<Results<Ok<ObjectState>, ProblemHttpResult>> StateAsync(string key, ObjectStore store, ImageCatalog catalog, CancellationToken ct)
    {
        var bucket = store.Options.UploadBucket;
        if (await catalog.FindObjectAsync(bucket, key, ct) is { } known)
        {
            return TypedResults.Ok(new ObjectState(key, "registered", known.Id, known.Complete, null, null));
        }

        return await catalog.FindRejectionAsync(bucket, key, ct) is { } rejection
            ? TypedResults.Ok(new ObjectState(key, "rejected", null, false, rejection.Code, rejection.Reason))
            : TypedResults.Problem($"Nothing is known of key '{key}'. A fresh upload may need a moment.", statusCode: StatusCodes.Status404NotFound);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(string id, ObjectStore store, ImageCatalog catalog, ObjectSync sync, CancellationToken ct)
    {
        if (!ImageId.TryParse(id, out var image))
        {
            return TypedResults.Problem("An image id has 64 hexadecimal digits (the SHA-256 of the file).", statusCode: StatusCodes.Status400BadRequest);
        }

        var keys = await catalog.KeysOfAsync(image, ct);
        if (keys.Count == 0)
        {
            return TypedResults.Problem($"There is no image {id}.", statusCode: StatusCodes.Status404NotFound);
        }

        foreach (var (bucket, key, _) in keys)
        {
            await store.DeleteAsync(bucket, key, ct);
            await sync.SyncAsync(key, ct);
        }

        return TypedResults.NoContent();
    }

    /// <summary>The last part of a client's file name without control characters; browsers may send whole paths.</summary>
    internal static string CleanName(string? name)
    {
        var clean = new string([.. (name ?? "").Split('/', '\\')[^1].Where(c => !char.IsControl(c))]).Trim();
        return clean is "" or "." or ".." ? "picture" : clean.Length > 200 ? clean[^200..] : clean;
    }
}
