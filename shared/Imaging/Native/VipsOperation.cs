using System.Globalization;

namespace ImageSearch.Imaging.Native;

/// <summary>One libvips operation: set its arguments by name, then take its output. A null or false result means that libvips refused; see <see cref="Vips.TakeError"/>.</summary>
internal readonly unsafe ref struct VipsOperation
{
    private readonly nint operation;

    public VipsOperation(string name)
    {
        Vips.EnsureStarted();
        operation = Vips.OperationNew(name);
        if (operation == 0)
        {
            throw new InvalidOperationException($"libvips lacks the operation {name}: {Vips.TakeError()}");
        }
    }

    public VipsOperation Set(string name, VipsImage image)
    {
        GValue value = default;
        Vips.ValueInit(ref value, Vips.ImageType());
        Vips.ValueSetObject(ref value, image.DangerousGetHandle());
        Vips.SetProperty(operation, name, value);
        Vips.ValueUnset(ref value);
        return this;
    }

    /// <param name="name">Argument of type VipsBlob.</param>
    /// <param name="data">Not copied: must stay in place until every image made from it is gone.</param>
    /// <param name="length">Bytes.</param>
    public VipsOperation Set(string name, void* data, int length)
    {
        GValue value = default;
        Vips.ValueInit(ref value, Vips.BlobType());
        var blob = Vips.BlobNew(0, data, (nuint)length);
        Vips.ValueSetBoxed(ref value, blob);
        Vips.SetProperty(operation, name, value);
        Vips.ValueUnset(ref value);
        Vips.AreaUnref(blob);
        return this;
    }

    /// <summary>Any scalar, enum (by nick) or array argument, in libvips' text form.</summary>
    public VipsOperation Set(string name, string value)
    {
        if (Vips.SetArgument(operation, name, value) != 0)
        {
            throw new InvalidOperationException($"libvips refuses {name}={value}: {Vips.TakeError()}");
        }

        return this;
    }

    public VipsOperation Set(string name, int value) => Set(name, value.ToString(CultureInfo.InvariantCulture));

    public VipsOperation Set(string name, double value) => Set(name, value.ToString("R", CultureInfo.InvariantCulture));

    /// <summary>Builds the operation and takes its output image.</summary>
    public VipsImage? Image(string output = "out")
    {
        var built = Build();
        if (built == 0)
        {
            return null;
        }

        GValue value = default;
        Vips.ValueInit(ref value, Vips.ImageType());
        Vips.GetProperty(built, output, ref value);
        var image = Vips.ValueDupObject(value);
        Vips.ValueUnset(ref value);
        Vips.UnrefOutputs(built);
        Vips.Unref(built);
        return new VipsImage(image);
    }

    /// <summary>Builds a saver and takes its bytes.</summary>
    public byte[]? Bytes()
    {
        var built = Build();
        if (built == 0)
        {
            return null;
        }

        GValue value = default;
        Vips.ValueInit(ref value, Vips.BlobType());
        Vips.GetProperty(built, "buffer", ref value);
        var data = Vips.BlobGet(Vips.ValueGetBoxed(value), out var length);
        var bytes = new ReadOnlySpan<byte>(data, checked((int)length)).ToArray();
        Vips.ValueUnset(ref value);
        Vips.UnrefOutputs(built);
        Vips.Unref(built);
        return bytes;
    }

    private nint Build()
    {
        var built = Vips.OperationBuild(operation);
        if (built == 0)
        {
            Vips.UnrefOutputs(operation);
        }

        Vips.Unref(operation);
        return built;
    }
}
