using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>A lexeme of a query.</summary>
/// <param name="Documents">How many pictures' texts hold it.</param>
public sealed record QueryLexeme(string Lexeme, long Documents);

/// <param name="Documents">Pictures with texts.</param>
public sealed record QueryStatistics(long Documents, IReadOnlyList<QueryLexeme> Lexemes)
{
    /// <summary>BM25's inverse document frequency, <c>ln(1 + (N - n + 0.5) / (n + 0.5))</c>.</summary>
    public double Idf(QueryLexeme lexeme) => Math.Log(1 + ((Math.Max(Documents, lexeme.Documents) - lexeme.Documents + 0.5) / (lexeme.Documents + 0.5)));
}

/// <summary>Which of the query's lexemes a picture's texts hold, and which of them were written rather than guessed from the picture itself.</summary>
/// <param name="Written">In its name, in the uploader's description (the first line of a caption of several), or in any text where a language model wrote them.</param>
public sealed record WordEvidence(long Image, string[] Matched, string[] Written);

/// <summary>Read-only questions about words, beside the word search itself.</summary>
public sealed class WordStatistics(NpgsqlDataSource db)
{
    /// <summary>Captioners whose name starts so derive words from the picture's own vector.</summary>
    public const string GuessingCaptioner = "tagger:";

    public async Task<QueryStatistics> QueryAsync(string language, IReadOnlyList<string> texts, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            WITH query AS (SELECT DISTINCT l.lexeme FROM unnest($2::text[]) AS t (text), unnest(tsvector_to_array(to_tsvector($1::text::regconfig, t.text))) AS l (lexeme))
            SELECT (SELECT documents FROM lexical_statistics)
                   + (SELECT coalesce(sum((length IS NOT NULL)::int - (merged_length IS NOT NULL)::int), 0) FROM lexical_pending),
                   q.lexeme,
                   coalesce((SELECT df FROM lexical_terms t WHERE t.lexeme = q.lexeme), 0)
                   + (SELECT coalesce(sum((tf > 0)::int - merged::int), 0) FROM lexical_tail t WHERE t.lexeme = q.lexeme)
            FROM query q ORDER BY q.lexeme
            """);
        command.Parameters.Add(new() { Value = language });
        command.Parameters.Add(new() { Value = texts.ToArray() });
        List<QueryLexeme> lexemes = [];
        var documents = 0L;
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            documents = reader.GetInt64(0);
            lexemes.Add(new(reader.GetString(1), reader.GetInt64(2)));
        }

        return new(documents, lexemes);
    }

    public async Task<IReadOnlyDictionary<long, WordEvidence>> EvidenceAsync(string language, IReadOnlyList<string> lexemes, long[] images, CancellationToken ct = default)
    {
        await using var command = db.CreateCommand("""
            SELECT d.image_id, m.matched, CASE WHEN starts_with(coalesce(c.captioner, $3), $3) THEN m.named ELSE m.matched END
            FROM lexical_documents d
            LEFT JOIN captions c ON c.image_id = d.image_id AND c.region = 0,
            LATERAL (SELECT CASE WHEN c.caption LIKE E'%\n%' THEN tsvector_to_array(to_tsvector($4::text::regconfig, split_part(c.caption, E'\n', 1))) ELSE '{}' END AS described) AS u,
            LATERAL (SELECT coalesce(array_agg(t.lexeme), '{}') AS matched,
                            coalesce(array_agg(t.lexeme) FILTER (WHERE 'D' = ANY (t.weights) OR t.lexeme = ANY (u.described)), '{}') AS named
                     FROM unnest(d.text) AS t WHERE t.lexeme = ANY ($2)) AS m
            WHERE d.image_id = ANY ($1)
            """);
        command.Parameters.Add(new() { Value = images });
        command.Parameters.Add(new() { Value = lexemes.ToArray() });
        command.Parameters.Add(new() { Value = GuessingCaptioner });
        command.Parameters.Add(new() { Value = language });
        Dictionary<long, WordEvidence> evidence = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            evidence.Add(reader.GetInt64(0), new(reader.GetInt64(0), reader.GetFieldValue<string[]>(1), reader.GetFieldValue<string[]>(2)));
        }

        return evidence;
    }
}
