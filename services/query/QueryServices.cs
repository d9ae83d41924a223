using System.Text.Json.Serialization;
using ImageSearch.Catalog;
using ImageSearch.Catalog.Lexical;
using ImageSearch.Catalog.Vectors;
using ImageSearch.Hosting;
using ImageSearch.Models;
using ImageSearch.Query.Models;
using ImageSearch.Query.Pictures;
using ImageSearch.Query.Search;
using ImageSearch.Query.Status;
using Microsoft.Extensions.Options;
using Npgsql;

namespace ImageSearch.Query;

public static class QueryServices
{
    /// <summary>Everything that answers queries.</summary>
    public static IServiceCollection AddQuery(this IServiceCollection services)
    {
        services.AddSettings<SearchOptions>(SearchOptions.Section);
        services.AddSettings<MergeOptions>(MergeOptions.Section);
        services.AddSettings<ModelsOptions>(ModelsOptions.Section);
        services.ConfigureHttpJsonOptions(o => o.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull);
        services.AddSingleton(p => p.GetRequiredService<IOptions<SearchOptions>>().Value);

        services.AddSingleton<EmbeddingCatalog>();
        services.AddSingleton<BitstreamCatalog>();
        services.AddSingleton<ProgressCatalog>();
        services.AddSingleton<ImageReader>();
        services.AddSingleton<WordOrigins>();
        services.AddSingleton<VectorSearch>();
        services.AddSingleton(p => new LexicalIndex(p.GetRequiredService<NpgsqlDataSource>(), new LexicalOptions { Language = p.GetRequiredService<SearchOptions>().Language }));

        services.AddSingleton<ModelOpener>();
        services.AddSingleton(p => new BitstreamDecoder(p.GetRequiredService<ModelOpener>().Decode));
        services.AddSingleton<Func<RegisteredModel, SearchModel>>(p => p.GetRequiredService<ModelOpener>().Open);
        services.AddSingleton<ActiveModels>();
        services.AddHostedService<WarmUp>();

        services.AddSingleton<DenseLeg>();
        services.AddSingleton<LexicalLeg>();
        services.AddSingleton<QueryPicture>();
        services.AddSingleton<TextMerge>();
        services.AddSingleton<Ranker>();
        services.AddSingleton<RankingCache>();
        services.AddSingleton<HitExplainer>();
        services.AddSingleton<SearchService>();
        services.AddSingleton<PictureRenderer>();
        services.AddSingleton<StatusReader>();
        return services;
    }
}
