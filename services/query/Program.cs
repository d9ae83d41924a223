using ImageSearch.Hosting;
using ImageSearch.Query;
using ImageSearch.Query.Pictures;
using ImageSearch.Query.Search;
using ImageSearch.Query.Status;
using ImageSearch.Query.Web;

var builder = WebApplication.CreateBuilder(args);
builder.AddImageSearch("query");
builder.Services.AddQuery();
builder.Services.AddApiDocument();

var app = builder.Build();
app.UseSecurityHeaders();
app.UseProblems();
app.UseDefaultFiles();
app.UseStaticFiles();
app.MapHealth();
app.MapOpenApi();
app.MapSearch();
app.MapPictures();
app.MapStatus();
return await app.RunServiceAsync();
