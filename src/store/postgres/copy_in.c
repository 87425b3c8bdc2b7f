/* copy_in.c: rows into a table by COPY, in its binary format (PostgreSQL's documentation, COPY, "Binary
 * Format"): nothing is escaped, printed or parsed on the way. */
#include "store/copy/copied_table.h"
#include "store/postgres/handle.h"

#include <endian.h>

enum {
    PIECE_BYTES = 256 * 1024, /* what is handed to the client library at once */
    JSONB_FORMAT = 1,         /* in front of the text of a jsonb */
    NULL_LENGTH = -1,
    NO_MORE_ROWS = -1,
};

static const char signature[] = "PGCOPY\n\377\r\n"; /* and its terminating zero */

/* ---- the bytes ---- */

static void append_16(struct buffer *buffer, int16_t number)
{
    uint16_t bytes = htobe16((uint16_t)number);

    buffer_append_bytes(buffer, &bytes, sizeof bytes);
}

static void append_32(struct buffer *buffer, int32_t number)
{
    uint32_t bytes = htobe32((uint32_t)number);

    buffer_append_bytes(buffer, &bytes, sizeof bytes);
}

static void append_64(struct buffer *buffer, int64_t number)
{
    uint64_t bytes = htobe64((uint64_t)number);

    append_32(buffer, sizeof bytes);
    buffer_append_bytes(buffer, &bytes, sizeof bytes);
}

/* What the program describes as JSON is jsonb; what it only keeps, as a text, may be json, whose bytes are
 * those of the text. */
static void append_text(struct buffer *buffer, const struct field *field, struct text text)
{
    bool is_jsonb = field->type != FIELD_TEXT;

    if (!text_is_set(text)) {
        append_32(buffer, NULL_LENGTH);
        return;
    }
    append_32(buffer, (int32_t)text.length + is_jsonb);
    if (is_jsonb)
        buffer_append_char(buffer, JSONB_FORMAT);
    buffer_append(buffer, text);
}

static void append_field(struct buffer *buffer, const struct field *field, const void *record)
{
    if (field_is_text(field)) {
        append_text(buffer, field, field_text_of(field, record));
    } else if (field->type == FIELD_BOOLEAN) {
        append_32(buffer, 1);
        buffer_append_char(buffer, (char)field_boolean_of(field, record));
    } else if (field->type == FIELD_INSTANT) {
        int64_t instant_us = field_instant_of(field, record);

        if (instant_us == INSTANT_UNSET)
            append_32(buffer, NULL_LENGTH);
        else
            append_64(buffer, instant_us - POSTGRES_EPOCH_US);
    } else {
        append_64(buffer, field_integer_of(field, record));
    }
}

static void append_row(struct buffer *buffer, const struct entity *row, const void *record)
{
    append_16(buffer, (int16_t)(row->field_count - COPIED_COLUMNS));
    for (size_t i = COPIED_COLUMNS; i < row->field_count; i++)
        append_field(buffer, &row->fields[i], record);
}

/* ---- the exchange ---- */

static bool put(struct postgres_connection *connection, struct buffer *buffer)
{
    bool is_put = libpq.PQputCopyData(connection->handle, buffer->data, (int)buffer->length) == 1;

    buffer_clear(buffer);
    return is_put;
}

static bool put_rows(struct postgres_connection *connection, const struct copied_rows *rows)
{
    struct buffer buffer = {0};
    bool is_put = true;

    buffer_append_bytes(&buffer, signature, sizeof signature);
    append_32(&buffer, 0); /* flags */
    append_32(&buffer, 0); /* bytes of what else there is to say: nothing */
    for (size_t i = 0; i < rows->count && is_put; i++) {
        append_row(&buffer, rows->row, copied_record(rows, i));
        if (buffer.length >= PIECE_BYTES)
            is_put = put(connection, &buffer);
    }
    append_16(&buffer, NO_MORE_ROWS);
    is_put = is_put && put(connection, &buffer);
    buffer_free(&buffer);
    return is_put;
}

/* Takes what the server says until it says no more. Whether it is `expected`. */
static bool take_results(struct postgres_connection *connection, ExecStatusType expected)
{
    bool is_right = false;

    for (PGresult *result; postgres_wait(connection) && (result = libpq.PQgetResult(connection->handle));) {
        ExecStatusType status = libpq.PQresultStatus(result);

        is_right = status == expected;
        if (!is_right)
            postgres_set_error(connection, result);
        libpq.PQclear(result);
        if (status == PGRES_COPY_IN)
            break; /* it says the same until it has the rows */
    }
    return is_right && !connection->error.is_set;
}

static bool run_copy(struct postgres_connection *connection, const struct copied_rows *rows,
                     struct arena *arena)
{
    struct text sql =
        arena_format(arena, "COPY %.*s (%.*s) FROM STDIN (FORMAT binary)", TEXT_FORMAT(rows->table->name),
                     TEXT_FORMAT(copied_column_names(rows->row, arena)));

    if (libpq.PQsendQuery(connection->handle, arena_string(arena, sql)) != 1 ||
        !take_results(connection, PGRES_COPY_IN))
        return false;
    put_rows(connection, rows); /* what is wrong with it, the results say */
    return libpq.PQputCopyEnd(connection->handle, NULL) == 1 && take_results(connection, PGRES_COMMAND_OK);
}

bool postgres_copy_in(struct postgres_connection *connection, const struct copied_rows *rows,
                      struct arena *arena)
{
    if (!postgres_finish(connection) || !postgres_leave_pipeline(connection))
        return false;
    bool is_copied = run_copy(connection, rows, arena);

    if (!is_copied && !connection->error.is_set)
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
    return is_copied && postgres_enter_pipeline(connection);
}
