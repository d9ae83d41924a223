using System.CommandLine;
using ImageSearch.Cli;
using ImageSearch.Cli.Backup;
using ImageSearch.Cli.Codec;
using ImageSearch.Cli.Evaluation;
using ImageSearch.Cli.Models;
using ImageSearch.Cli.Operating;
using ImageSearch.Cli.Pipeline;
using ImageSearch.Cli.Security;
using ImageSearch.Models;
using Npgsql;

var models = ModelsCommand.Create();
foreach (var command in ModelSwitchCommand.Create())
{
    models.Add(command);
}

var root = new RootCommand("ImageSearch: store pictures small and find them by meaning.")
{
    ProvisionCommand.Create(),
    AddCommand.Create(),
    SearchCommand.Create(),
    CodecCommand.Create(),
    models,
    PipelineCommand.Create(),
    FailuresCommand.Create(),
    ChaosCommand.Create(),
    RetriesCommand.Create(),
    ImagesCommand.Create(),
    AuditCommand.Create(),
    ModelSwitchCommand.CreateJobs(),
    KeysCommand.Create(),
    FuzzCommand.Create(),
    BackupCommands.CreateBackup(),
    BackupCommands.CreateRestore(),
    EvalCommand.Create(),
    BenchCommand.Create(),
};

try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception e) when (e is CliException or ModelException or InvalidOperationException or InvalidDataException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
catch (PostgresException e)
{
    Console.Error.WriteLine($"PostgreSQL refuses: {e.MessageText}. {(e.SqlState == PostgresErrorCodes.DiskFull ? "Free space on its disk and try again." : "Check Postgres__ConnectionString.")}");
    return 1;
}
catch (NpgsqlException e)
{
    Console.Error.WriteLine(Missing("PostgreSQL", "Postgres__ConnectionString", e));
    return 1;
}
catch (RabbitMQ.Client.Exceptions.BrokerUnreachableException e)
{
    Console.Error.WriteLine(Missing("RabbitMQ", "RabbitMq__Uri", e));
    return 1;
}
catch (Amazon.Runtime.AmazonServiceException e)
{
    Console.Error.WriteLine(Missing("The object store", "ObjectStore__Endpoint and its keys", e));
    return 1;
}
catch (HttpRequestException e)
{
    Console.Error.WriteLine($"A server does not answer: {e.GetBaseException().Message} `./imagesearch status` shows which runs; `./imagesearch up` starts what is missing.");
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}

static string Missing(string server, string setting, Exception e) =>
    $"{server} does not answer: {e.GetBaseException().Message} `./imagesearch status` shows what runs here and `./imagesearch up` starts it; for a server elsewhere check {setting}.";
