/* statement.c: the functions of `struct engine`. */
#include "store/postgres/handle.h"

#include "store/write.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSONB_TYPE = 3802, JSONB_VERSION_BYTES = 1 };

/* ---- preparing ---- */

static void free_statement(struct statement *statement)
{
    free(statement->sql);
    free(statement);
}

void postgres_statements_free(struct postgres_connection *connection)
{
    statement_table_clear(&connection->statements, free_statement);
}

void postgres_statements_forget(struct postgres_connection *connection)
{
    for (size_t i = 0; i < connection->statements.slot_count; i++)
        if (connection->statements.slots[i].key)
            connection->statements.slots[i].statement->is_prepared = false;
}

static struct statement *find(struct connection *connection, uint64_t key)
{
    return statement_table_find(&postgres_of(connection)->statements, key);
}

/* Nobody waits for its preparation any more, and the server may forget it. */
static void retire(struct postgres_connection *connection, struct statement *statement)
{
    char sql[STATEMENT_NAME_BYTES + sizeof "DEALLOCATE "];

    for (size_t i = connection->awaited_first; i < connection->awaited_end; i++)
        if (connection->awaited[i].kind == AWAITED_PREPARE && connection->awaited[i].statement == statement)
            connection->awaited[i].statement = NULL;
    snprintf(sql, sizeof sql, "DEALLOCATE %s", statement->name);
    if (statement->is_prepared)
        postgres_send_text(connection, sql);
    free_statement(statement);
}

/* It is sent when it is first used. */
static struct statement *prepare(struct connection *base, uint64_t key, enum statement_sort sort,
                                 struct text sql)
{
    struct postgres_connection *connection = postgres_of(base);
    struct statement *statement = calloc(1, sizeof *statement);

    if (!statement || !(statement->sql = strndup(sql.data, sql.length)))
        abort();
    statement->connection = connection;
    statement->number = ++connection->statement_count;
    snprintf(statement->name, sizeof statement->name, "farthing_%u", statement->number);
    struct statement *forgotten = statement_table_add(&connection->statements, key, sort, statement);

    if (forgotten)
        retire(connection, forgotten);
    return statement;
}

struct statement *postgres_kept_statement(struct postgres_connection *connection, const char *sql)
{
    struct statement *statement = find(&connection->base, (uintptr_t)sql);

    return statement ? statement
                     : prepare(&connection->base, (uintptr_t)sql, STATEMENT_FIXED, text_from_string(sql));
}

/* ---- asking ---- */

static bool is_same_question(const struct asked *asked, struct statement *statement,
                             const struct value *values, size_t count)
{
    if (asked->statement_number != statement->number || asked->value_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (asked->values[i].type != values[i].type || asked->values[i].integer != values[i].integer ||
            text_is_set(asked->values[i].text) != text_is_set(values[i].text) ||
            !text_equal(asked->values[i].text, values[i].text))
            return false;
    return true;
}

/* Where the question is, or where it would be. */
static struct asked **find_asked(struct reading *reading, struct statement *statement,
                                 const struct value *values, size_t count)
{
    struct asked **place = &reading->asked;

    while (*place && !is_same_question(*place, statement, values, count))
        place = &(*place)->next;
    return place;
}

static struct asked *new_asked(struct arena *arena, struct statement *statement, const struct value *values,
                               size_t count)
{
    struct asked *asked = ARENA_NEW(arena, struct asked);
    struct value *copies = ARENA_ARRAY(arena, struct value, count);

    for (size_t i = 0; i < count; i++) {
        copies[i] = values[i];
        copies[i].text = arena_copy(arena, values[i].text);
    }
    *asked = (struct asked){.statement_number = statement->number, .values = copies, .value_count = count};
    return asked;
}

static enum step first_row(struct statement *statement)
{
    statement->row = 0;
    return libpq.PQntuples(statement->result) > 0 ? STEP_ROW : STEP_DONE;
}

static enum step ask(struct statement *statement, const struct value *values, size_t count)
{
    struct postgres_connection *connection = statement->connection;
    struct asked **place = find_asked(connection->reading, statement, values, count);

    if (!*place)
        *place = new_asked(connection->reading->command->arena, statement, values, count);
    struct asked *asked = *place;

    if (asked->result) {
        statement->result = asked->result;
        statement->owns_result = false;
        if (libpq.PQresultStatus(asked->result) == PGRES_TUPLES_OK)
            return first_row(statement);
        postgres_set_error(connection, asked->result);
        return STEP_FAILED;
    }
    if (!asked->is_sent)
        asked->is_sent =
            postgres_send(statement, values, count, (struct awaited){.kind = AWAITED_QUERY, .asked = asked});
    connection->reading->waits = true;
    return connection->error.is_lost ? STEP_FAILED : STEP_PENDING;
}

/* ---- ahead, where questions are answered at once ---- */

static void send_ahead(struct statement *statement, const struct value *values, size_t count)
{
    struct postgres_connection *connection = statement->connection;
    struct asked **place = find_asked(&connection->ahead, statement, values, count);

    if (*place || connection->error.is_set)
        return;
    struct asked *asked = new_asked(&connection->ahead_arena, statement, values, count);

    asked->is_ahead = true;
    asked->is_sent =
        postgres_send(statement, values, count, (struct awaited){.kind = AWAITED_QUERY, .asked = asked});
    *place = asked;
}

static void ask_ahead(struct statement *statement, const struct value *values, size_t count)
{
    if (statement->connection->reading)
        ask(statement, values, count);
    else
        send_ahead(statement, values, count);
    statement->result = NULL;
}

/* The answer to what was asked ahead, once; NULL: it was not, or something went wrong. */
static PGresult *take_ahead(struct statement *statement, const struct value *values, size_t count)
{
    struct postgres_connection *connection = statement->connection;
    struct asked **place = find_asked(&connection->ahead, statement, values, count);
    struct asked *asked = *place;

    if (!asked)
        return NULL;
    if (!asked->result && asked->is_sent)
        postgres_catch_up(connection);
    *place = asked->next;
    return asked->result;
}

void postgres_forget_ahead(struct postgres_connection *connection)
{
    for (size_t i = connection->awaited_first; i < connection->awaited_end; i++)
        if (connection->awaited[i].asked && connection->awaited[i].asked->is_ahead) {
            connection->awaited[i].asked = NULL;
            connection->awaited[i].kind = AWAITED_OTHER;
        }
    for (struct asked *asked = connection->ahead.asked; asked; asked = asked->next)
        libpq.PQclear(asked->result);
    if (connection->ahead_arena.total_bytes)
        arena_reset(&connection->ahead_arena);
    connection->ahead.asked = NULL;
}

/* ---- running ---- */

static enum step start(struct statement *statement, const struct value *values, size_t count)
{
    struct postgres_connection *connection = statement->connection;

    statement->result = NULL;
    statement->owns_result = true;
    if (connection->error.is_set && !connection->reading)
        return STEP_FAILED; /* the transaction is over */
    if (connection->reading)
        return ask(statement, values, count);
    statement->result = take_ahead(statement, values, count);
    if (statement->result)
        return first_row(statement);
    if (connection->error.is_set)
        return STEP_FAILED;
    if (!postgres_send(statement, values, count,
                       (struct awaited){.kind = AWAITED_QUERY, .statement = statement}) ||
        !postgres_catch_up(connection) || !statement->result)
        return STEP_FAILED;
    return first_row(statement);
}

static enum step next(struct statement *statement)
{
    return ++statement->row < libpq.PQntuples(statement->result) ? STEP_ROW : STEP_DONE;
}

static void end(struct statement *statement)
{
    if (statement->owns_result)
        libpq.PQclear(statement->result);
    statement->result = NULL;
}

static enum step change(struct statement *statement, const struct value *values, size_t count,
                        const struct write *write)
{
    struct postgres_connection *connection = statement->connection;

    assert(!connection->reading);
    if (connection->error.is_set ||
        !postgres_send(statement, values, count, (struct awaited){.kind = AWAITED_CHANGE, .write = write}))
        return STEP_FAILED;
    connection->change_count++;
    connection->update_count += write && write->before;
    return STEP_DONE;
}

static const char take_turns_sql[] = "SELECT pg_advisory_xact_lock($1)";

static void take_turns(struct connection *base, int64_t turns)
{
    struct postgres_connection *connection = postgres_of(base);

    postgres_send(postgres_kept_statement(connection, take_turns_sql),
                  VALUES(value_integer(POSTGRES_LOCKS + turns)), (struct awaited){.kind = AWAITED_OTHER});
}

static const char announce_sql[] = "SELECT pg_notify('" POSTGRES_CHANNEL "', $1)";

static void announce(struct connection *base, struct text entity_name, struct text id)
{
    struct postgres_connection *connection = postgres_of(base);
    char payload[POSTGRES_PAYLOAD_BYTES_MAX];
    int length = snprintf(payload, sizeof payload, "%.*s %.*s", TEXT_FORMAT(entity_name), TEXT_FORMAT(id));

    assert(length > 0 && (size_t)length < sizeof payload);
    postgres_send(postgres_kept_statement(connection, announce_sql),
                  VALUES(value_text((struct text){payload, (size_t)length})),
                  (struct awaited){.kind = AWAITED_OTHER});
}

static int64_t changed_rows(struct connection *connection)
{
    (void)connection;
    return -1; /* taken with the answer */
}

/* ---- rows ---- */

static int64_t read_integer(const char *bytes, int length)
{
    uint64_t wide;
    uint32_t narrow;

    if (length == sizeof narrow) {
        memcpy(&narrow, bytes, sizeof narrow);
        return (int32_t)be32toh(narrow);
    }
    assert(length == sizeof wide);
    memcpy(&wide, bytes, sizeof wide);
    return (int64_t)be64toh(wide);
}

/* PostgreSQL writes jsonb with spaces behind its colons and commas; we write none. */
static struct text without_spaces(struct arena *arena, struct text json)
{
    char *out = arena_allocate(arena, json.length);
    size_t length = 0;
    bool is_string = false;

    for (size_t i = 0; i < json.length; i++) {
        char byte = json.data[i];

        if (byte == ' ' && !is_string)
            continue;
        out[length++] = byte;
        if (byte == '"')
            is_string = !is_string;
        else if (byte == '\\' && i + 1 < json.length)
            out[length++] = json.data[++i];
    }
    return (struct text){out, length};
}

int64_t postgres_read_integer(const PGresult *result, int row, int column)
{
    return read_integer(libpq.PQgetvalue(result, row, column), libpq.PQgetlength(result, row, column));
}

static struct text read_text(const PGresult *result, int row, int column, struct arena *arena)
{
    struct text bytes = {libpq.PQgetvalue(result, row, column),
                         (size_t)libpq.PQgetlength(result, row, column)};

    if (libpq.PQgetisnull(result, row, column))
        return text_none;
    if (libpq.PQftype(result, column) == JSONB_TYPE)
        return without_spaces(arena, text_from(bytes, JSONB_VERSION_BYTES));
    return arena_copy(arena, bytes);
}

static void read_column(const PGresult *result, int row, int column, const struct field *field,
                        struct arena *arena, void *record)
{
    char *member = (char *)record + field->offset;
    const char *bytes = libpq.PQgetvalue(result, row, column);
    int length = libpq.PQgetlength(result, row, column);
    bool is_null = libpq.PQgetisnull(result, row, column);

    switch (field->type) {
    case FIELD_INSTANT:
        *(int64_t *)member = is_null ? INSTANT_UNSET : read_integer(bytes, length) + POSTGRES_EPOCH_US;
        break;
    case FIELD_INTEGER:
        *(int64_t *)member = is_null ? 0 : read_integer(bytes, length);
        break;
    case FIELD_BOOLEAN:
        *(bool *)member = !is_null && bytes[0] != 0;
        break;
    default:
        *(struct text *)member = read_text(result, row, column, arena);
        break;
    }
}

static bool read_row(struct statement *statement, const struct entity *entity, struct arena *arena,
                     void *record)
{
    int column = 0;

    for (const struct field *field = entity->fields, *last = field + entity->field_count; field < last;
         field++)
        if (field_is_column(field))
            read_column(statement->result, statement->row, column++, field, arena, record);
    return true; /* all of it is here */
}

/* ---- errors ---- */

static const struct failure *failure(struct connection *connection, struct arena *arena)
{
    return postgres_failure(&postgres_of(connection)->error, arena);
}

static struct text conflict_column(struct connection *connection, struct arena *arena)
{
    (void)connection;
    (void)arena;
    return text_none; /* a conflict comes with the answer (error.c) */
}

const struct engine postgres_engine = {
    .elements_before = "SELECT jsonb_array_elements_text(",
    .elements_after = "::jsonb)",
    .matches =
        {
            [CASE_FOLD_ANYWHERE] = {"fold_case(", ") LIKE '%' || like_literal(", ") || '%'"},
            [CASE_FOLD_START] = {"fold_case(", ") LIKE like_literal(", ") || '%'"},
            [CASE_FOLD_END] = {"fold_case(", ") LIKE '%' || like_literal(", ")"},
            [CASE_FOLD_WHOLE] = {"fold_case(", ") LIKE like_literal(", ")"},
        },
    .entries = {"", " @> ", "::jsonb"},
    .find = find,
    .prepare = prepare,
    .start = start,
    .next = next,
    .end = end,
    .ask_ahead = ask_ahead,
    .take_turns = take_turns,
    .read_row = read_row,
    .change = change,
    .announce = announce,
    .changed_rows = changed_rows,
    .failure = failure,
    .conflict_column = conflict_column,
};
