using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ImageSearch.Imaging.Native;

/// <summary>
/// The part of libvips 8.18 and GObject that is used here: the operation API without varargs. One self-contained library carries both.
/// </summary>
internal static unsafe partial class Vips
{
    private const string Library = "vips-cpp";
    private const string FileName = "libvips-cpp.so.8.18.7";

    /// <summary>Every loader that uploads may reach. All others (SVG, PDF, ImageMagick, raw, CSV ...) are blocked for the whole process.</summary>
    private static readonly string[] Loaders =
    [
        "VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp", "VipsForeignLoadHeif", "VipsForeignLoadNsgif", "VipsForeignLoadTiff",
    ];

    static Vips()
    {
        NativeLibrary.SetDllImportResolver(typeof(Vips).Assembly, Resolve);
        if (Init("imagesearch") != 0)
        {
            throw new InvalidOperationException($"libvips does not start: {TakeError()}");
        }

        // Warnings about odd files belong to the file's own error, not to the service's stderr.
        _ = LogSetHandler("VIPS", 0xFC, &IgnoreLog, 0);
        _ = LogSetHandler("GLib-GObject", 0xFC, &IgnoreLog, 0);

        // Services run several pictures at once, each on one thread; cached operations would pin pictures in memory.
        ConcurrencySet(1);
        CacheSetMax(0);
        BlockUntrusted(1);
        OperationBlock("VipsForeignLoad", 1);
        foreach (var loader in Loaders)
        {
            OperationBlock(loader, 0);
        }
    }

    /// <summary>Runs the static constructor.</summary>
    public static void EnsureStarted()
    {
    }

    /// <summary>Text of the last error, on one line; clears it. The buffer is the process's, so texts of two failures at once may mix.</summary>
    public static string TakeError()
    {
        var pointer = ErrorBufferCopy();
        var text = Marshal.PtrToStringUTF8(pointer) ?? "";
        Free(pointer);
        text = string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct());
        return text.Length > 300 ? text[..300] : text;
    }

    [LibraryImport(Library, EntryPoint = "vips_init", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Init(string program);

    [LibraryImport(Library, EntryPoint = "vips_concurrency_set")]
    private static partial void ConcurrencySet(int threads);

    [LibraryImport(Library, EntryPoint = "vips_cache_set_max")]
    private static partial void CacheSetMax(int operations);

    [LibraryImport(Library, EntryPoint = "vips_block_untrusted_set")]
    private static partial void BlockUntrusted(int state);

    [LibraryImport(Library, EntryPoint = "vips_operation_block_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void OperationBlock(string className, int state);

    [LibraryImport(Library, EntryPoint = "g_log_set_handler", StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint LogSetHandler(string domain, int levels, delegate* unmanaged[Cdecl]<nint, int, nint, nint, void> handler, nint data);

    [LibraryImport(Library, EntryPoint = "vips_error_buffer_copy")]
    private static partial nint ErrorBufferCopy();

    [LibraryImport(Library, EntryPoint = "g_free")]
    public static partial void Free(nint memory);

    [LibraryImport(Library, EntryPoint = "g_object_unref")]
    public static partial void Unref(nint gobject);

    [LibraryImport(Library, EntryPoint = "g_object_ref")]
    public static partial nint Ref(nint gobject);

    [LibraryImport(Library, EntryPoint = "g_object_set_property", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void SetProperty(nint gobject, string name, in GValue value);

    [LibraryImport(Library, EntryPoint = "g_object_get_property", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void GetProperty(nint gobject, string name, ref GValue value);

    [LibraryImport(Library, EntryPoint = "g_value_init")]
    public static partial nint ValueInit(ref GValue value, nint type);

    [LibraryImport(Library, EntryPoint = "g_value_unset")]
    public static partial void ValueUnset(ref GValue value);

    [LibraryImport(Library, EntryPoint = "g_value_set_object")]
    public static partial void ValueSetObject(ref GValue value, nint gobject);

    [LibraryImport(Library, EntryPoint = "g_value_dup_object")]
    public static partial nint ValueDupObject(in GValue value);

    [LibraryImport(Library, EntryPoint = "g_value_set_boxed")]
    public static partial void ValueSetBoxed(ref GValue value, nint boxed);

    [LibraryImport(Library, EntryPoint = "g_value_get_boxed")]
    public static partial nint ValueGetBoxed(in GValue value);

    [LibraryImport(Library, EntryPoint = "vips_image_get_type")]
    public static partial nint ImageType();

    [LibraryImport(Library, EntryPoint = "vips_blob_get_type")]
    public static partial nint BlobType();

    [LibraryImport(Library, EntryPoint = "vips_blob_new")]
    public static partial nint BlobNew(nint free, void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "vips_blob_get")]
    public static partial void* BlobGet(nint blob, out nuint length);

    [LibraryImport(Library, EntryPoint = "vips_area_unref")]
    public static partial void AreaUnref(nint area);

    [LibraryImport(Library, EntryPoint = "vips_operation_new", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint OperationNew(string name);

    [LibraryImport(Library, EntryPoint = "vips_object_set_argument_from_string", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetArgument(nint operation, string name, string value);

    [LibraryImport(Library, EntryPoint = "vips_cache_operation_build")]
    public static partial nint OperationBuild(nint operation);

    [LibraryImport(Library, EntryPoint = "vips_object_unref_outputs")]
    public static partial void UnrefOutputs(nint operation);

    [LibraryImport(Library, EntryPoint = "vips_image_new_from_memory")]
    public static partial nint ImageFromMemory(void* data, nuint length, int width, int height, int bands, int format);

    [LibraryImport(Library, EntryPoint = "vips_image_get_width")]
    public static partial int Width(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_height")]
    public static partial int Height(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_bands")]
    public static partial int Bands(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_format")]
    public static partial int Format(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_interpretation")]
    public static partial int Interpretation(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_n_pages")]
    public static partial int Pages(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_orientation")]
    public static partial int Orientation(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_hasalpha")]
    public static partial int HasAlpha(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_typeof", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint FieldType(nint image, string field);

    [LibraryImport(Library, EntryPoint = "vips_image_get_string", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int FieldString(nint image, string field, out nint text);

    [LibraryImport(Library, EntryPoint = "vips_region_new")]
    public static partial nint RegionNew(nint image);

    /// <summary>Computes a rectangle and gives a packed copy of it of the rectangle in memory of g_malloc.</summary>
    [LibraryImport(Library, EntryPoint = "vips_region_fetch")]
    public static partial nint RegionFetch(nint region, int left, int top, int width, int height, out nuint length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void IgnoreLog(nint domain, int level, nint message, nint data)
    {
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
        {
            return 0;
        }

        return NativeLibrary.TryLoad(Path.Combine(AppContext.BaseDirectory, FileName), out var handle)
            || NativeLibrary.TryLoad(FileName, assembly, path, out handle)
            ? handle
            : throw new DllNotFoundException($"{FileName} is not beside the program ({AppContext.BaseDirectory}). Run ./imagesearch setup and build again.");
    }
}

/// <summary>GLib's GValue: a type and 16 bytes of value.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GValue
{
    public nint Type;
    public long Data0;
    public long Data1;
}
