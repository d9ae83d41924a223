using System.CommandLine;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Models;

namespace ImageSearch.Cli.Pipeline;

/// <summary><c>imagesearch provision</c>: everything that must exist before the services start. Doing it again changes nothing.</summary>
public static class ProvisionCommand
{
    public static Command Create()
    {
        var command = new Command("provision", "Prepare servers: database schema, queues, buckets, notifications, the default model.");
        command.SetAction((_, ct) => RunAsync(ct));
        return command;
    }

    private static async Task<int> RunAsync(CancellationToken ct)
    {
        var models = CliSettings.Models;
        await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "provision");
        var applied = await Migrator.MigrateAsync(db, ct);
        Console.WriteLine(applied.Count > 0 ? $"database: applied {string.Join(", ", applied)}" : "database: up to date");

        // Queues before notifications: an event that comes before its queue is bound is lost.
        await PipelineTopology.DeclareAsync(CliSettings.RabbitMq.Uri, ct);
        Console.WriteLine("broker: exchanges, queues and bindings are declared");

        using var store = new ObjectStore(CliSettings.ObjectStore);
        using var http = new HttpClient();
        try
        {
            await new Provisioning(store, CliSettings.RabbitMq, http).ProvisionStoreAsync(ct);
        }
        catch (HttpRequestException e)
        {
            throw new CliException($"The object store does not answer: {e.GetBaseException().Message} `./imagesearch status` shows what runs here and `./imagesearch up` starts it; for a store elsewhere check ObjectStore__Endpoint.");
        }

        Console.WriteLine($"object store: buckets {store.Options.UploadBucket} and {store.Options.DerivedBucket}, notifications on");

        var manifest = ModelManifest.Load(models.Directory, models.Embedding);
        var model = await new EmbeddingCatalog(db).RegisterModelAsync(manifest.Id, manifest.Get<int>("dimensions"), manifest.GetOrDefault<float[]>("mean"), ct);
        Console.WriteLine($"model: {model.Name} is {model.State}");
        return 0;
    }
}
