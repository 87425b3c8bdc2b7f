/* query.c: portable query texts into statements, and rows into records. */
#include "store/transaction.h"

#include "base/buffer.h"
#include "store/row_key.h"

#include <assert.h>
#include <string.h>

static void append_columns(struct buffer *buffer, const struct entity *entity)
{
    for (size_t i = 0, written = 0; i < entity->field_count; i++) {
        if (!field_is_column(&entity->fields[i]))
            continue;
        if (written++)
            buffer_append(buffer, TEXT(", "));
        buffer_append(buffer, entity->fields[i].name);
    }
}

/* `scope = $1 AND id = $2`, or `c.id = $2`: the few rows that may have the id are looked at, not the table.
 * The plus keeps the planner, which has no statistics, from believing that an index on the scope is better
 * than the key. */
static void append_row_condition(struct buffer *buffer, struct text condition)
{
    static const struct text scope = TEXT_LITERAL("scope = "), separator = TEXT_LITERAL(" AND ");
    struct text row = condition;

    if (text_starts_with(condition, scope)) {
        const char *found = memmem(condition.data, condition.length, separator.data, separator.length);

        assert(found);
        row = text_from(condition, (size_t)(found - condition.data) + separator.length);
        buffer_append_char(buffer, '+');
        buffer_append(buffer, text_slice(condition, 0, condition.length - row.length));
    }
    struct text alias = text_slice(row, 0, row.data[1] == '.' ? 2 : 0),
                number = text_from(row, text_find(row, '$') + 1);

    assert(number.length > 0);
    buffer_append_format(buffer, "%.*skey BETWEEN %s%.*s AND %s%.*s + %d AND %.*s", TEXT_FORMAT(alias),
                         ROW_KEY_PARAMETER, TEXT_FORMAT(number), ROW_KEY_PARAMETER, TEXT_FORMAT(number),
                         ROW_KEY_PROBES - 1, TEXT_FORMAT(row));
}

struct text query_expand(const struct query *query, struct arena *arena)
{
    struct buffer buffer = {0};
    struct text rest = query->text;

    for (;;) {
        size_t brace = text_find(rest, '{');

        buffer_append(&buffer, text_slice(rest, 0, brace));
        if (brace == rest.length)
            break;
        rest = text_from(rest, brace + 1);
        struct text mark = text_slice(rest, 0, text_find(rest, '}'));

        if (text_equal(mark, TEXT("columns")))
            append_columns(&buffer, query->entity);
        else
            append_row_condition(&buffer, mark);
        rest = text_from(rest, mark.length + 1);
    }
    struct text expanded = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return expanded;
}

struct statement *query_statement(struct transaction *transaction, const struct query *query)
{
    uint64_t key = (uintptr_t)query;
    struct statement *statement = connection_find(transaction->connection, key);

    if (!statement)
        statement = connection_prepare(transaction->connection, key, STATEMENT_FIXED,
                                       query_expand(query, transaction->arena));
    if (!statement)
        transaction_fail(transaction);
    return statement;
}

void transaction_fail(struct transaction *transaction)
{
    if (!transaction->failure)
        transaction->failure = connection_failure(transaction->connection, transaction->arena);
}

static void read_column(struct statement *statement, int column, const struct field *field,
                        struct arena *arena, void *record)
{
    char *member = (char *)record + field->offset;

    switch (field->type) {
    case FIELD_INSTANT:
        *(int64_t *)member =
            statement_is_null(statement, column) ? INSTANT_UNSET : statement_integer(statement, column);
        break;
    case FIELD_INTEGER:
        *(int64_t *)member = statement_integer(statement, column);
        break;
    case FIELD_BOOLEAN:
        *(bool *)member = statement_integer(statement, column) != 0;
        break;
    default:
        *(struct text *)member = arena_copy(arena, statement_text(statement, column));
        break;
    }
}

static void read_row(struct statement *statement, const struct entity *entity, struct arena *arena,
                     void *record)
{
    int column = 0;

    for (const struct field *field = entity->fields, *end = field + entity->field_count; field < end; field++)
        if (field_is_column(field))
            read_column(statement, column++, field, arena, record);
}

bool query_record(struct transaction *transaction, const struct query *query, const struct value *parameters,
                  size_t parameter_count, void *record)
{
    struct statement *statement = transaction->failure ? NULL : query_statement(transaction, query);

    if (!statement)
        return false;
    enum step step = statement_start(statement, parameters, parameter_count);

    if (step == STEP_ROW)
        read_row(statement, query->entity, transaction->arena, record);
    else if (step != STEP_DONE)
        transaction_fail(transaction);
    statement_end(statement);
    return step == STEP_ROW;
}

enum { RECORD_LIST_FIRST = 8 };

static void *grow(struct arena *arena, void *records, size_t count, size_t capacity, size_t record_size)
{
    char *grown = arena_allocate_zero(arena, capacity * record_size);

    if (count)
        memcpy(grown, records, count * record_size);
    return grown;
}

struct record_list query_records(struct transaction *transaction, const struct query *query,
                                 const struct value *parameters, size_t parameter_count)
{
    struct record_list list = {0};
    size_t capacity = 0, size = query->entity->struct_size;
    struct statement *statement = transaction->failure ? NULL : query_statement(transaction, query);

    if (!statement)
        return list;
    enum step step = statement_start(statement, parameters, parameter_count);

    for (; step == STEP_ROW; step = statement_next(statement)) {
        if (list.count == capacity) {
            capacity = capacity ? capacity * 2 : RECORD_LIST_FIRST;
            list.records = grow(transaction->arena, list.records, list.count, capacity, size);
        }
        read_row(statement, query->entity, transaction->arena, (char *)list.records + list.count * size);
        list.count++;
    }
    if (step != STEP_DONE)
        transaction_fail(transaction);
    statement_end(statement);
    return list;
}
