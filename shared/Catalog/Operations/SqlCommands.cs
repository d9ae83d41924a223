using Npgsql;

namespace ImageSearch.Catalog.Operations;

/// <summary>Commands with positional parameters; null is bound as NULL.</summary>
internal static class SqlCommands
{
    public static NpgsqlCommand Command(this NpgsqlDataSource db, string sql, params object?[] values) => db.CreateCommand(sql).With(values);

    public static NpgsqlCommand Command(this NpgsqlConnection connection, string sql, params object?[] values) => new NpgsqlCommand(sql, connection).With(values);

    public static async Task<int> ExecuteAsync(this NpgsqlDataSource db, string sql, CancellationToken ct, params object?[] values)
    {
        await using var command = db.Command(sql, values);
        return await command.ExecuteNonQueryAsync(ct);
    }

    public static async Task<int> ExecuteAsync(this NpgsqlConnection connection, string sql, CancellationToken ct, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        return await command.ExecuteNonQueryAsync(ct);
    }

    public static async Task<T?> ScalarAsync<T>(this NpgsqlDataSource db, string sql, CancellationToken ct, params object?[] values)
    {
        await using var command = db.Command(sql, values);
        return await command.ExecuteScalarAsync(ct) is { } value and not DBNull ? (T)value : default;
    }

    public static async Task<T?> ScalarAsync<T>(this NpgsqlConnection connection, string sql, CancellationToken ct, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        return await command.ExecuteScalarAsync(ct) is { } value and not DBNull ? (T)value : default;
    }

    public static async Task<List<T>> ReadAsync<T>(this NpgsqlDataSource db, string sql, Func<NpgsqlDataReader, T> row, CancellationToken ct, params object?[] values)
    {
        await using var command = db.Command(sql, values);
        return await command.RowsAsync(row, ct);
    }

    public static async Task<List<T>> ReadAsync<T>(this NpgsqlConnection connection, string sql, Func<NpgsqlDataReader, T> row, CancellationToken ct, params object?[] values)
    {
        await using var command = connection.Command(sql, values);
        return await command.RowsAsync(row, ct);
    }

    public static string? Text(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static T? Value<T>(this NpgsqlDataReader reader, int column)
        where T : struct =>
        reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);

    /// <summary>A bytea column as hexadecimal digits.</summary>
    public static string? Hex(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : Convert.ToHexStringLower(reader.GetFieldValue<byte[]>(column));

    public static NpgsqlCommand With(this NpgsqlCommand command, object?[] values)
    {
        foreach (var value in values)
        {
            command.Parameters.Add(Parameter(value));
        }

        return command;
    }

    public static NpgsqlParameter Parameter(object? value) => new() { Value = value ?? DBNull.Value };

    private static async Task<List<T>> RowsAsync<T>(this NpgsqlCommand command, Func<NpgsqlDataReader, T> row, CancellationToken ct)
    {
        List<T> rows = [];
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            rows.Add(row(reader));
        }

        return rows;
    }
}
