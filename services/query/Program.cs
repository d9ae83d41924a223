using ImageSearch.Hosting;
using ImageSearch.Hosting.Security;
using ImageSearch.Query;
using ImageSearch.Query.Pictures;
using ImageSearch.Query.Search;
using ImageSearch.Query.Status;
using ImageSearch.Query.Web;

var builder = WebApplication.CreateBuilder(args).AddImageSearch("query").AddApiKeys(Scopes.Search);
builder.Services.AddQuery();
builder.Services.AddApiDocument();

var app = builder.Build();
app.UseHttpHardening();
app.UseProblems();
app.UseApiKeys(Scopes.Search);
app.UseDefaultFiles();
app.UseStaticFiles();
app.MapHealth();
app.MapOpenApi();
app.MapSearch();
app.MapPictures();
app.MapStatus();
return await app.RunServiceAsync();
