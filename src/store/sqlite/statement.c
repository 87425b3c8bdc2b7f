/* statement.c: statements, prepared once a connection and found by a key. */
#include "store/sqlite/handle.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATEMENT_SLOTS_FIRST = 64, /* a power of two; doubled when half full */
    PARAMETER_NAME_MAX = 16,
};

void sqlite_statements_free(struct connection *connection)
{
    for (size_t i = 0; i < connection->slot_count; i++)
        if (connection->slots[i].key) {
            sqlite3_finalize(connection->slots[i].statement->handle);
            free(connection->slots[i].statement);
        }
    free(connection->slots);
}

static void insert_slot(struct connection *connection, struct statement_slot slot)
{
    size_t mask = connection->slot_count - 1, i = slot.key & mask;

    while (connection->slots[i].key)
        i = (i + 1) & mask;
    connection->slots[i] = slot;
}

static void grow_slots(struct connection *connection)
{
    struct statement_slot *old = connection->slots;
    size_t old_count = connection->slot_count;

    connection->slot_count = old_count ? old_count * 2 : STATEMENT_SLOTS_FIRST;
    connection->slots = calloc(connection->slot_count, sizeof *connection->slots);
    if (!connection->slots)
        abort();
    for (size_t i = 0; i < old_count; i++)
        if (old[i].key)
            insert_slot(connection, old[i]);
    free(old);
}

/* $1, $2, … must first appear in this order: SQLite numbers them so, and values are bound by number. */
static void check_parameters(sqlite3_stmt *handle)
{
    char name[PARAMETER_NAME_MAX];

    for (int i = 1; i <= sqlite3_bind_parameter_count(handle); i++) {
        const char *found = sqlite3_bind_parameter_name(handle, i);

        snprintf(name, sizeof name, "$%d", i);
        assert(found && strcmp(found, name) == 0);
    }
}

static uint64_t spread(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    key ^= key >> 32;
    return key ? key : 1;
}

struct statement *connection_prepare(struct connection *connection, uint64_t key, struct text sql)
{
    struct statement *statement = calloc(1, sizeof *statement);

    if (!statement)
        abort();
    statement->connection = connection;
    if (sqlite3_prepare_v3(connection->handle, sql.data, (int)sql.length, SQLITE_PREPARE_PERSISTENT,
                           &statement->handle, NULL) != SQLITE_OK) {
        free(statement);
        return NULL;
    }
    check_parameters(statement->handle);
    if (connection->slots_used * 2 >= connection->slot_count)
        grow_slots(connection);
    insert_slot(connection, (struct statement_slot){spread(key), statement});
    connection->slots_used++;
    return statement;
}

struct statement *connection_find(struct connection *connection, uint64_t key)
{
    size_t mask = connection->slot_count - 1;

    if (connection->slot_count == 0)
        return NULL;
    key = spread(key);
    for (size_t i = key & mask; connection->slots[i].key; i = (i + 1) & mask)
        if (connection->slots[i].key == key)
            return connection->slots[i].statement;
    return NULL;
}

static void bind(sqlite3_stmt *handle, int number, const struct value *value)
{
    int result;

    if (value->type == VALUE_INTEGER)
        result = sqlite3_bind_int64(handle, number, value->integer);
    else if (text_is_set(value->text))
        result = sqlite3_bind_text64(handle, number, value->text.data, value->text.length, SQLITE_STATIC,
                                     SQLITE_UTF8);
    else
        result = sqlite3_bind_null(handle, number);
    assert(result == SQLITE_OK);
}

enum step statement_start(struct statement *statement, const struct value *parameters, size_t parameter_count)
{
    assert((int)parameter_count == sqlite3_bind_parameter_count(statement->handle));
    for (size_t i = 0; i < parameter_count; i++)
        bind(statement->handle, (int)i + 1, &parameters[i]);
    return statement_next(statement);
}

enum step statement_next(struct statement *statement)
{
    switch (sqlite3_step(statement->handle)) {
    case SQLITE_ROW:
        return STEP_ROW;
    case SQLITE_DONE:
        return STEP_DONE;
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return STEP_CONFLICT;
    default:
        return STEP_FAILED;
    }
}

void statement_end(struct statement *statement)
{
    sqlite3_reset(statement->handle);
}

int64_t statement_integer(struct statement *statement, int column)
{
    return sqlite3_column_int64(statement->handle, column);
}

bool statement_is_null(struct statement *statement, int column)
{
    return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

struct text statement_text(struct statement *statement, int column)
{
    const char *data = (const char *)sqlite3_column_text(statement->handle, column);

    return data ? (struct text){data, (size_t)sqlite3_column_bytes(statement->handle, column)} : text_none;
}
