using Npgsql;

namespace ImageSearch.Catalog;

/// <summary>Which of a query's lexemes a picture's texts hold, and which of them were written rather than guessed from the picture itself.</summary>
/// <param name="Matched">Indices of lexemes; null where a language model wrote all texts, so that whatever matched was written.</param>
/// <param name="Written">Those in its name or in the uploader's description (the first line of a caption of several).</param>
public sealed record WordEvidence(int[]? Matched, int[] Written);

/// <summary>Who the words of pictures' texts come from.</summary>
public sealed class WordOrigins(NpgsqlDataSource db)
{
    /// <summary>Captioners whose name starts so derive words from the picture's own vector.</summary>
    public const string GuessingCaptioner = "tagger:";

    /// <summary>By surrogate key; a picture without texts has no evidence in either list.</summary>
    public async Task<IReadOnlyDictionary<long, WordEvidence>> EvidenceAsync(string language, IReadOnlyList<string> lexemes, long[] images, CancellationToken ct = default)
    {
        // Matching a tsquery is a binary search; unnesting each text would cost ten times as much. Texts are not even read where a language model wrote them.
        await using var command = db.CreateCommand("""
            WITH words AS MATERIALIZED (
                SELECT (n - 1)::int AS n, quoted::tsquery AS word, (quoted || ':D')::tsquery AS named
                FROM (SELECT n, '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''' AS quoted FROM unnest($2::text[]) WITH ORDINALITY AS l (lexeme, n)) AS q)
            SELECT i.id, CASE WHEN u.guessed THEN coalesce(m.matched, '{}') END, coalesce(m.written, '{}')
            FROM unnest($1::bigint[]) AS i (id)
            LEFT JOIN captions c ON c.image_id = i.id AND c.region = 0,
            LATERAL (SELECT starts_with(coalesce(c.captioner, $3), $3) AS guessed,
                            CASE WHEN c.caption LIKE E'%\n%' THEN to_tsvector($4::text::regconfig, split_part(c.caption, E'\n', 1)) END AS described) AS u,
            LATERAL (SELECT array_agg(w.n) FILTER (WHERE d.text @@ w.word) AS matched,
                            array_agg(w.n) FILTER (WHERE d.text @@ w.named OR u.described @@ w.word) AS written
                     FROM lexical_documents d, words w WHERE u.guessed AND d.image_id = i.id) AS m
            """);
        command.Parameters.Add(new() { Value = images });
        command.Parameters.Add(new() { Value = lexemes.ToArray() });
        command.Parameters.Add(new() { Value = GuessingCaptioner });
        command.Parameters.Add(new() { Value = language });
        Dictionary<long, WordEvidence> evidence = new(images.Length);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            evidence.Add(reader.GetInt64(0), new(reader.IsDBNull(1) ? null : reader.GetFieldValue<int[]>(1), reader.GetFieldValue<int[]>(2)));
        }

        return evidence;
    }
}
