using ImageSearch.Catalog;
using ImageSearch.Imaging;
using ImageSearch.Models;
using Microsoft.Extensions.Options;

namespace ImageSearch.Query.Models;

public sealed class ModelOpener(IOptions<ModelsOptions> options)
{
    public SearchModel Open(RegisteredModel registered) => throw new NotSupportedException(options.Value.Directory);

    public Picture DecodeBitstream(byte[] stream) => throw new NotSupportedException();
}
