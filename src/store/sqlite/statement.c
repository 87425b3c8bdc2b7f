/* statement.c: the functions of `struct engine` that are about statements. */
#include "store/row_key.h"
#include "store/sqlite/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void free_statement(struct statement *statement)
{
    sqlite3_finalize(statement->handle);
    free(statement);
}

void sqlite_statements_free(struct connection *connection)
{
    statement_table_clear(&sqlite_of(connection)->statements, free_statement);
}

/* Which value each parameter takes: `$2` the second one, `$key2` the row key of the second one. SQLite
 * numbers parameters by itself, in the order in which they first appear. */
static void read_parameters(struct statement *statement)
{
    for (int i = 0; i < statement->parameter_count; i++) {
        const char *name = sqlite3_bind_parameter_name(statement->handle, i + 1);
        struct parameter *parameter = &statement->parameters[i];

        parameter->is_row_key = strncmp(name, ROW_KEY_PARAMETER, strlen(ROW_KEY_PARAMETER)) == 0;
        struct text digits = text_from_string(name + (parameter->is_row_key ? strlen(ROW_KEY_PARAMETER) : 1));
        uint64_t number;
        bool is_number = text_to_uint64(digits, &number);

        assert(is_number && number > 0 && number <= STORE_QUERY_PARAMETERS_MAX);
        parameter->value = (int)number - 1;
        if ((int)number > statement->value_count)
            statement->value_count = (int)number;
    }
}

static struct statement *new_statement(sqlite3_stmt *handle)
{
    int count = sqlite3_bind_parameter_count(handle);
    struct statement *statement =
        calloc(1, sizeof *statement + (size_t)count * sizeof statement->parameters[0]);

    if (!statement)
        abort();
    statement->handle = handle;
    statement->parameter_count = count;
    read_parameters(statement);
    return statement;
}

struct statement *sqlite_prepare(struct connection *connection, uint64_t key, enum statement_sort sort,
                                 struct text sql)
{
    sqlite3_stmt *handle;

    if (sqlite3_prepare_v3(sqlite_of(connection)->handle, sql.data, (int)sql.length,
                           SQLITE_PREPARE_PERSISTENT, &handle, NULL) != SQLITE_OK)
        return NULL;
    struct statement *statement = new_statement(handle);
    struct statement *forgotten =
        statement_table_add(&sqlite_of(connection)->statements, key, sort, statement);

    if (forgotten)
        free_statement(forgotten);
    return statement;
}

struct statement *sqlite_find(struct connection *connection, uint64_t key)
{
    return statement_table_find(&sqlite_of(connection)->statements, key);
}

static void bind(sqlite3_stmt *handle, int number, const struct value *value)
{
    int result;

    if (value->type == VALUE_INSTANT && value->integer == INSTANT_UNSET)
        result = sqlite3_bind_null(handle, number);
    else if (value->type != VALUE_TEXT)
        result = sqlite3_bind_int64(handle, number, value->integer);
    else if (text_is_set(value->text))
        result = sqlite3_bind_text64(handle, number, value->text.data, value->text.length, SQLITE_STATIC,
                                     SQLITE_UTF8);
    else
        result = sqlite3_bind_null(handle, number);
    assert(result == SQLITE_OK);
}

enum step sqlite_start(struct statement *statement, const struct value *parameters, size_t parameter_count)
{
    assert((int)parameter_count == statement->value_count);
    for (int i = 0; i < statement->parameter_count; i++) {
        const struct parameter *parameter = &statement->parameters[i];
        const struct value *value = &parameters[parameter->value];

        if (parameter->is_row_key)
            sqlite3_bind_int64(statement->handle, i + 1, row_key(value->text));
        else
            bind(statement->handle, i + 1, value);
    }
    return sqlite_next(statement);
}

enum step sqlite_next(struct statement *statement)
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

void sqlite_end(struct statement *statement)
{
    sqlite3_reset(statement->handle);
}

enum step sqlite_change(struct statement *statement, const struct value *parameters, size_t parameter_count,
                        const struct write *write)
{
    enum step step = sqlite_start(statement, parameters, parameter_count);

    (void)write;
    sqlite_end(statement);
    return step;
}

/* SQLite keeps what it is given, of whatever type, and converts what is read. We do not: half a number and a
 * blob are not equal to what they are converted to, so that no query finds a row of the audit trail that
 * somebody has given them, although it looked whole. */
static int64_t integer_of(sqlite3_value *value)
{
    return sqlite3_value_type(value) == SQLITE_INTEGER ? sqlite3_value_int64(value) : 0;
}

/* A text of several pages is ended by a zero byte when it is asked for, which takes memory: false when there
 * is none. */
static bool text_of(sqlite3_value *value, struct text *text)
{
    int type = sqlite3_value_type(value);
    bool is_read = type != SQLITE_BLOB && type != SQLITE_NULL;
    const char *data = is_read ? (const char *)sqlite3_value_text(value) : NULL;

    *text = data ? (struct text){data, (size_t)sqlite3_value_bytes(value)} : text_none;
    return data || !is_read;
}

/* The value of a column may be asked as one of a function's parameters may, because connections have no
 * mutexes (SQLITE_CONFIG_MULTITHREAD); every sqlite3_column_... would look for the column anew. */
static bool read_column(sqlite3_value *value, const struct field *field, struct arena *arena, void *record)
{
    char *member = (char *)record + field->offset;
    struct text text;

    switch (field->type) {
    case FIELD_INSTANT:
        *(int64_t *)member = sqlite3_value_type(value) == SQLITE_NULL ? INSTANT_UNSET : integer_of(value);
        break;
    case FIELD_INTEGER:
        *(int64_t *)member = integer_of(value);
        break;
    case FIELD_BOOLEAN:
        *(bool *)member = integer_of(value) != 0;
        break;
    default:
        if (!text_of(value, &text))
            return false;
        *(struct text *)member = arena_copy(arena, text);
        break;
    }
    return true;
}

bool sqlite_read_row(struct statement *statement, const struct entity *entity, struct arena *arena,
                     void *record)
{
    int column = 0;

    for (const struct field *field = entity->fields, *end = field + entity->field_count; field < end; field++)
        if (field_is_column(field) &&
            !read_column(sqlite3_column_value(statement->handle, column++), field, arena, record))
            return false;
    return true;
}
