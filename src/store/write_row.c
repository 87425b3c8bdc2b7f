/* write_row.c: a change into the row that it is about.
 *
 * Texts are put together from the entity's description, once a connection; a statement for an update exists
 * for each set of columns that was ever changed together. */
#include "store/row_key.h"
#include "store/write.h"

#include <assert.h>

static bool is_scoped(const struct write *write)
{
    return write->entity->scoping == SCOPED_BY_ENVIRONMENT;
}

struct value write_column_value(const struct field *field, const void *record)
{
    switch (field->type) {
    case FIELD_INSTANT:
        return value_instant(field_instant_of(field, record));
    case FIELD_INTEGER:
        return value_integer(field_integer_of(field, record));
    case FIELD_BOOLEAN:
        return value_boolean(field_boolean_of(field, record));
    default:
        return value_text(field_text_of(field, record));
    }
}

static bool has_row_key(const struct transaction *transaction, const struct write *write)
{
    return is_scoped(write) && transaction->connection->engine->has_row_keys;
}

static void append_name(struct buffer *sql, unsigned *count, struct text name)
{
    buffer_append_format(sql, "%s%.*s", (*count)++ ? ", " : "", TEXT_FORMAT(name));
}

static struct text insert_sql(const struct transaction *transaction, const struct write *write)
{
    const struct entity *entity = write->entity;
    struct buffer sql = {0};
    unsigned number = 0;

    buffer_append_format(&sql, "INSERT INTO %.*s (", TEXT_FORMAT(entity->table));
    if (has_row_key(transaction, write))
        append_name(&sql, &number, TEXT("key"));
    if (is_scoped(write))
        append_name(&sql, &number, TEXT("scope"));
    for (size_t i = 0; i < entity->field_count; i++)
        if (field_is_column(&entity->fields[i]))
            append_name(&sql, &number, entity->fields[i].name);
    buffer_append(&sql, TEXT(") VALUES ("));
    for (unsigned i = 1; i <= number; i++)
        buffer_append_format(&sql, "%s$%u", i > 1 ? ", " : "", i);
    buffer_append(&sql, TEXT(")"));
    struct text text = arena_copy(transaction->arena, buffer_text(&sql));

    buffer_free(&sql);
    return text;
}

static struct text update_sql(const struct transaction *transaction, const struct write *write)
{
    struct buffer sql = {0};
    unsigned number = 0;

    buffer_append_format(&sql, "UPDATE %.*s SET ", TEXT_FORMAT(write->entity->table));
    for (size_t i = 0; i < write->entity->field_count; i++)
        if (write_changes(write, i)) {
            number++;
            buffer_append_format(&sql, "%s%.*s = $%u", number > 1 ? ", " : "",
                                 TEXT_FORMAT(write->entity->fields[i].name), number);
        }
    buffer_append(&sql, TEXT(" WHERE "));
    if (is_scoped(write))
        buffer_append_format(&sql, "{scope = $%u AND id = $%u}", number + 1, number + 2);
    else
        buffer_append_format(&sql, "id = $%u", number + 1);
    const struct query query = {.text = buffer_text(&sql), .entity = write->entity};
    struct arena *arena = transaction->arena;
    struct text text = arena_copy(arena, query_expand(&query, transaction->connection, arena));

    buffer_free(&sql);
    return text;
}

/* What identifies the text: the entity, and for an update the set of its columns (bit 0, the id, is never in
 * it). */
static uint64_t statement_key(const struct write *write)
{
    uint64_t columns = 0;

    assert(write->entity->field_count <= 64);
    if (write->before)
        for (size_t i = 0; i < write->entity->field_count; i++)
            columns |= (uint64_t)write_changes(write, i) << i;
    return (uintptr_t)write->entity ^ columns * UINT64_C(0xFF51AFD7ED558CCD);
}

static size_t collect_values(const struct transaction *transaction, const struct write *write,
                             struct value values[STORE_QUERY_PARAMETERS_MAX])
{
    size_t count = 0;

    assert(write->entity->field_count + 2 <= STORE_QUERY_PARAMETERS_MAX);
    if (!write->before && has_row_key(transaction, write))
        values[count++] = value_integer(row_key(entity_id(write->entity, write->record)));
    if (!write->before && is_scoped(write))
        values[count++] = value_integer(write->scope->number);
    for (size_t i = 0; i < write->entity->field_count; i++) {
        const struct field *field = &write->entity->fields[i];

        if (write->before ? write_changes(write, i) : field_is_column(field))
            values[count++] = write_column_value(field, write->record);
    }
    if (write->before && is_scoped(write))
        values[count++] = value_integer(write->scope->number);
    if (write->before)
        values[count++] = value_text(entity_id(write->entity, write->record));
    return count;
}

const struct failure *write_conflict(struct arena *arena, const struct write *write, struct text column)
{
    const struct field *field = entity_field(write->entity, column);
    bool is_shown = field && field_is_text(field) && !(field->flags & FIELD_SECRET);
    struct text value = is_shown ? field_text_of(field, write->record) : text_empty;
    struct text message = arena_format(arena, "there is already a %.*s with this %.*s",
                                       TEXT_FORMAT(write->entity->label), TEXT_FORMAT(column));

    return failure_add(failure_new(arena, FAILURE_ALREADY_EXISTS, message), arena, column, value);
}

/* So many ids of one millisecond whose last bits are alike: a new request makes another id. */
static const struct failure *no_free_key(struct arena *arena)
{
    return failure_new(arena, FAILURE_SERVICE_UNAVAILABLE, TEXT("no room for this id; try again"));
}

const struct failure *write_is_gone(struct arena *arena, const struct write *write)
{
    return failure_new(arena, FAILURE_VERSION_CONFLICT,
                       arena_format(arena, "the %.*s was changed by another request; read it again",
                                    TEXT_FORMAT(write->entity->label)));
}

static struct statement *row_statement(struct transaction *transaction, const struct write *write)
{
    const struct engine *engine = transaction->connection->engine;
    uint64_t key = statement_key(write);
    struct statement *statement = engine->find(transaction->connection, key);

    if (statement)
        return statement;
    if (write->before)
        return engine->prepare(transaction->connection, key, STATEMENT_VARYING,
                               update_sql(transaction, write));
    return engine->prepare(transaction->connection, key, STATEMENT_FIXED, insert_sql(transaction, write));
}

/* Whether the row that has the key is one of this id: found by walking on from the first key of the id. */
static bool id_is_taken(struct transaction *transaction, const struct write *write)
{
    const struct engine *engine = transaction->connection->engine;
    struct arena *arena = transaction->arena;
    const struct query query = {
        .text = arena_format(arena, "SELECT 1 FROM %.*s WHERE {id = $1}", TEXT_FORMAT(write->entity->table)),
        .entity = write->entity};
    uint64_t key = (uintptr_t)&write->entity->table; /* an address of the entity that no other text has */
    struct statement *statement = engine->find(transaction->connection, key);

    if (!statement)
        statement = engine->prepare(transaction->connection, key, STATEMENT_FIXED,
                                    query_expand(&query, transaction->connection, arena));
    if (!statement) {
        transaction_fail(transaction);
        return false;
    }
    bool is_taken =
        engine->start(statement, VALUES(value_text(entity_id(write->entity, write->record)))) == STEP_ROW;

    engine->end(statement);
    return is_taken;
}

/* Runs the statement; a row whose key another id has takes the next one (row_key.h). An unset conflict column
 * says that all keys of the id are taken. */
static enum step run_row(struct transaction *transaction, const struct write *write,
                         struct statement *statement, struct text *conflict_column)
{
    const struct engine *engine = transaction->connection->engine;
    struct value values[STORE_QUERY_PARAMETERS_MAX];
    size_t count = collect_values(transaction, write, values);

    for (int64_t probe = 0;; probe++) {
        enum step step = engine->change(statement, values, count, write);

        if (step == STEP_CONFLICT)
            *conflict_column = engine->conflict_column(transaction->connection, transaction->arena);
        if (step != STEP_CONFLICT || !text_equal(*conflict_column, TEXT("key")))
            return step;
        *conflict_column = TEXT("id");
        if (id_is_taken(transaction, write))
            return step;
        *conflict_column = text_none;
        if (probe + 1 == ROW_KEY_PROBES)
            return step;
        values[0] = value_integer(row_key(entity_id(write->entity, write->record)) + probe + 1);
    }
}

/* Whether an update has not found its row. */
static bool has_missed(const struct transaction *transaction, const struct write *write)
{
    return write->before && transaction->connection->engine->changed_rows(transaction->connection) == 0;
}

const struct failure *write_row(struct transaction *transaction, const struct write *write)
{
    struct statement *statement = row_statement(transaction, write);
    struct text conflict_column;
    enum step step = statement ? run_row(transaction, write, statement, &conflict_column) : STEP_FAILED;

    if (step == STEP_CONFLICT)
        return text_is_set(conflict_column) ? write_conflict(transaction->arena, write, conflict_column)
                                            : no_free_key(transaction->arena);
    if (step == STEP_DONE)
        return has_missed(transaction, write) ? write_is_gone(transaction->arena, write) : NULL;
    return transaction->connection->engine->failure(transaction->connection, transaction->arena);
}
