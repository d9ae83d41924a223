using System.CommandLine;
using ImageSearch.Catalog;
using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using Spectre.Console;

namespace ImageSearch.Cli.Security;

/// <summary><c>imagesearch keys create|list|revoke</c>.</summary>
public static class KeysCommand
{
    public static Command Create()
    {
        var command = new Command("keys", "API keys for clients beyond this machine.");
        var name = new Argument<string>("name") { Description = "Who or what uses it." };
        var scopes = new Option<string[]>("--scope") { Description = "upload, search, operate; may be given several times.", Required = true, AllowMultipleArgumentsPerToken = true };
        scopes.AcceptOnlyFromAmong([.. Scopes.All]);
        var create = new Command("create", "Make a key; it is shown once.") { name, scopes };
        create.SetAction(async (r, ct) =>
        {
            await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
            var (key, secret) = await new ApiKeyCatalog(db).CreateAsync(r.GetValue(name)!, [.. r.GetValue(scopes)!.Distinct()], ct);
            await Console.Error.WriteLineAsync($"Key {key.Id} for {key.Name} ({string.Join(", ", key.Scopes)}). It is shown only now:");
            Console.WriteLine(secret);
            return 0;
        });
        command.Add(create);

        var list = new Command("list", "Keys, their scopes and their last use.");
        list.SetAction(async (_, ct) =>
        {
            await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
            var table = new Table().Border(TableBorder.Simple).AddColumns("id", "name", "scopes", "created", "last used", "revoked");
            foreach (var k in await new ApiKeyCatalog(db).ListAsync(ct))
            {
                table.AddRow(k.Id, Markup.Escape(k.Name), string.Join(", ", k.Scopes), $"{k.CreatedAt:u}", $"{k.LastUsedAt:u}", $"{k.RevokedAt:u}");
            }

            AnsiConsole.Write(table);
            return 0;
        });
        command.Add(list);

        var id = new Argument<string>("id") { Description = "The 8 characters after isk_." };
        var revoke = new Command("revoke", "End a key; it stops working within ten seconds.") { id };
        revoke.SetAction(async (r, ct) =>
        {
            await using var db = ServiceDefaults.OpenDatabase(CliSettings.Postgres, "cli");
            return await new ApiKeyCatalog(db).RevokeAsync(r.GetValue(id)!, ct) ? 0 : throw new CliException($"There is no key {r.GetValue(id)} in force; `imagesearch keys list` shows them.");
        });
        command.Add(revoke);
        return command;
    }
}
