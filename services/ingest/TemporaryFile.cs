using System.Buffers;
using System.Security.Cryptography;
using ImageSearch.Contracts;
using ImageSearch.Imaging;

namespace ImageSearch.Ingest;

/// <summary>
/// An upload or object while it is looked at: on disk and not in memory, so that many large ones at once need no more memory than small ones. The file
/// has no name from the start; whatever happens to the process, nothing is left of it.
/// </summary>
public sealed class TemporaryFile : IDisposable
{
    private const int NoSpaceLeft = 28; // ENOSPC; .NET hands the errno through as HResult.

    private readonly FileStream file;

    private TemporaryFile(FileStream file, ImageId id) => (this.file, Id) = (file, id);

    /// <summary>SHA-256 of the content.</summary>
    public ImageId Id { get; }

    public long Length => file.Length;

    /// <summary>The content from its beginning.</summary>
    public Stream Content
    {
        get
        {
            file.Position = 0;
            return file;
        }
    }

    /// <summary>Copies a stream to its end.</summary>
    /// <returns>Null if there is more than <paramref name="limit"/> bytes; the rest is then read and dropped.</returns>
    /// <exception cref="TemporarySpaceException">The folder's disk is full.</exception>
    public static async Task<TemporaryFile?> ReadAsync(Stream source, string folder, long limit, CancellationToken ct)
    {
        var file = Create(folder);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            long length = 0;
            int read;
            while ((read = await source.ReadAsync(buffer, ct)) > 0)
            {
                length += read;
                if (length > limit)
                {
                    await source.CopyToAsync(Stream.Null, ct);
                    file.Dispose();
                    return null;
                }

                hash.AppendData(buffer, 0, read);
                try
                {
                    await file.WriteAsync(buffer.AsMemory(0, read), ct);
                }
                catch (IOException e) when (e.HResult == NoSpaceLeft)
                {
                    throw new TemporarySpaceException(folder, e);
                }
            }

            return new(file, ImageId.FromBytes(hash.GetHashAndReset()));
        }
        catch
        {
            file.Dispose();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>What the header of the picture says.</summary>
    /// <exception cref="PictureException">As in <see cref="ImageFiles.Probe(FileStream, ImageLimits?)"/>.</exception>
    public ImageInfo Probe(ImageLimits limits) => ImageFiles.Probe(file, limits);

    public void Dispose() => file.Dispose();

    private static FileStream Create(string folder)
    {
        var path = Path.Combine(folder, "imagesearch-" + Path.GetRandomFileName());
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        var file = new FileStream(path, options);
        File.Delete(path);
        return file;
    }
}

/// <summary>Nothing fits into the folder for uploads in hand. An <see cref="IOException"/>, so that the operator's automatic retries take it for passing.</summary>
public sealed class TemporarySpaceException(string folder, Exception inner)
    : IOException($"The disk of {folder} is full, where files lie while they are looked at. Free space there, or name another folder in Ingest:TemporaryFolder.", inner);
