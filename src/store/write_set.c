/* write_set.c: a use case's changes into rows, and the audit and outbox rows that follow from them.
 *
 * Texts are put together from the entity's description, once a connection; a statement for an update exists
 * for each set of columns that was ever changed together. */
#include "store/transaction.h"

#include "base/ulid.h"
#include "model/entity_json.h"
#include "store/row_key.h"

#include <assert.h>

struct write {
    struct write *next;
    const struct scope *scope; /* NULL: belongs to no environment */
    const struct entity *entity;
    const void *before; /* NULL: an insert */
    const void *record;
};

enum action { ACTION_CREATED, ACTION_UPDATED, ACTION_ARCHIVED };

void transaction_init(struct transaction *transaction, struct connection *connection, struct arena *arena,
                      const struct call *call)
{
    *transaction = (struct transaction){.connection = connection, .arena = arena, .call = call};
    transaction->writes_end = &transaction->writes;
}

static void add_write(struct transaction *transaction, struct write content)
{
    struct write *write = ARENA_NEW(transaction->arena, struct write);

    assert(content.entity->scoping != SCOPED_BY_ENVIRONMENT || content.scope);
    *write = content;
    *transaction->writes_end = write;
    transaction->writes_end = &write->next;
}

void transaction_insert(struct transaction *transaction, const struct scope *scope,
                        const struct entity *entity, const void *record)
{
    add_write(transaction, (struct write){.scope = scope, .entity = entity, .record = record});
}

void transaction_update(struct transaction *transaction, const struct scope *scope,
                        const struct entity *entity, const void *before, const void *after)
{
    add_write(transaction,
              (struct write){.scope = scope, .entity = entity, .before = before, .record = after});
}

/* ---- the row itself ---- */

static bool is_scoped(const struct write *write)
{
    return write->entity->scoping == SCOPED_BY_ENVIRONMENT;
}

static struct value column_value(const struct field *field, const void *record)
{
    switch (field->type) {
    case FIELD_INSTANT: {
        int64_t instant_us = field_instant_of(field, record);

        return instant_us == INSTANT_UNSET ? value_text(text_none) : value_integer(instant_us);
    }
    case FIELD_INTEGER:
        return value_integer(field_integer_of(field, record));
    case FIELD_BOOLEAN:
        return value_integer(field_boolean_of(field, record));
    default:
        return value_text(field_text_of(field, record));
    }
}

/* Whether an update changes the column. The id never changes. */
static bool is_changed(const struct write *write, size_t index)
{
    const struct field *field = &write->entity->fields[index];

    return index > 0 && field_is_column(field) && !field_equal(field, write->before, write->record);
}

static struct text insert_sql(const struct entity *entity, struct arena *arena)
{
    struct buffer sql = {0};
    unsigned number = 0;

    buffer_append_format(&sql, "INSERT INTO %.*s (", TEXT_FORMAT(entity->table));
    if (entity->scoping == SCOPED_BY_ENVIRONMENT) {
        buffer_append(&sql, TEXT("key, scope"));
        number += 2;
    }
    for (size_t i = 0; i < entity->field_count; i++)
        if (field_is_column(&entity->fields[i]))
            buffer_append_format(&sql, "%s%.*s", number++ ? ", " : "", TEXT_FORMAT(entity->fields[i].name));
    buffer_append(&sql, TEXT(") VALUES ("));
    for (unsigned i = 1; i <= number; i++)
        buffer_append_format(&sql, "%s$%u", i > 1 ? ", " : "", i);
    buffer_append(&sql, TEXT(")"));
    struct text text = arena_copy(arena, buffer_text(&sql));

    buffer_free(&sql);
    return text;
}

static struct text update_sql(const struct write *write, struct arena *arena)
{
    struct buffer sql = {0};
    unsigned number = 0;

    buffer_append_format(&sql, "UPDATE %.*s SET ", TEXT_FORMAT(write->entity->table));
    for (size_t i = 0; i < write->entity->field_count; i++)
        if (is_changed(write, i)) {
            number++;
            buffer_append_format(&sql, "%s%.*s = $%u", number > 1 ? ", " : "",
                                 TEXT_FORMAT(write->entity->fields[i].name), number);
        }
    buffer_append(&sql, TEXT(" WHERE "));
    if (is_scoped(write))
        buffer_append_format(&sql, "{scope = $%u AND id = $%u}", number + 1, number + 2);
    else
        buffer_append_format(&sql, "id = $%u", number + 1);
    const struct query query = {buffer_text(&sql), write->entity};
    struct text text = arena_copy(arena, query_expand(&query, arena));

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
            columns |= (uint64_t)is_changed(write, i) << i;
    return (uintptr_t)write->entity ^ columns * UINT64_C(0xFF51AFD7ED558CCD);
}

static size_t collect_values(const struct write *write, struct value values[STORE_QUERY_PARAMETERS_MAX])
{
    size_t count = 0;

    assert(write->entity->field_count + 2 <= STORE_QUERY_PARAMETERS_MAX);
    if (!write->before && is_scoped(write)) {
        values[count++] = value_integer(row_key(entity_id(write->entity, write->record)));
        values[count++] = value_integer(write->scope->number);
    }
    for (size_t i = 0; i < write->entity->field_count; i++) {
        const struct field *field = &write->entity->fields[i];

        if (write->before ? is_changed(write, i) : field_is_column(field))
            values[count++] = column_value(field, write->record);
    }
    if (write->before && is_scoped(write))
        values[count++] = value_integer(write->scope->number);
    if (write->before)
        values[count++] = value_text(entity_id(write->entity, write->record));
    return count;
}

static const struct failure *conflict(struct transaction *transaction, const struct write *write,
                                      struct text column)
{
    struct arena *arena = transaction->arena;
    const struct field *field = entity_field(write->entity, column);
    bool is_shown = field && field_is_text(field) && !(field->flags & FIELD_SECRET);
    struct text value = is_shown ? field_text_of(field, write->record) : text_empty;
    struct text message = arena_format(arena, "there is already a %.*s with this %.*s",
                                       TEXT_FORMAT(write->entity->label), TEXT_FORMAT(column));

    return failure_add(failure_new(arena, FAILURE_ALREADY_EXISTS, message), arena, column, value);
}

static struct statement *row_statement(struct transaction *transaction, const struct write *write)
{
    uint64_t key = statement_key(write);
    struct statement *statement = connection_find(transaction->connection, key);

    if (statement)
        return statement;
    return connection_prepare(transaction->connection, key,
                              write->before ? update_sql(write, transaction->arena)
                                            : insert_sql(write->entity, transaction->arena));
}

/* Whether the row that has the key is one of this id: found by walking on from the first key of the id. */
static bool id_is_taken(struct transaction *transaction, const struct write *write)
{
    struct arena *arena = transaction->arena;
    const struct query query = {
        arena_format(arena, "SELECT 1 FROM %.*s WHERE {id = $1}", TEXT_FORMAT(write->entity->table)),
        write->entity};
    uint64_t key = (uintptr_t)&write->entity->table; /* an address of the entity that no other text has */
    struct statement *statement = connection_find(transaction->connection, key);

    if (!statement)
        statement = connection_prepare(transaction->connection, key, query_expand(&query, arena));
    if (!statement) {
        transaction_fail(transaction);
        return false;
    }
    bool is_taken =
        statement_start(statement, VALUES(value_text(entity_id(write->entity, write->record)))) == STEP_ROW;

    statement_end(statement);
    return is_taken;
}

/* Runs the statement; a row whose key another id has takes the next one (row_key.h). */
static enum step run_row(struct transaction *transaction, const struct write *write,
                         struct statement *statement, struct text *conflict_column)
{
    struct value values[STORE_QUERY_PARAMETERS_MAX];
    size_t count = collect_values(write, values);

    for (int64_t probe = 0;; probe++) {
        enum step step = statement_start(statement, values, count);

        if (step == STEP_CONFLICT)
            *conflict_column = connection_conflict_column(transaction->connection, transaction->arena);
        statement_end(statement);
        if (step != STEP_CONFLICT || !text_equal(*conflict_column, TEXT("key")))
            return step;
        *conflict_column = TEXT("id");
        if (probe + 1 == ROW_KEY_PROBES || id_is_taken(transaction, write))
            return step;
        values[0] = value_integer(row_key(entity_id(write->entity, write->record)) + probe + 1);
    }
}

static const struct failure *write_row(struct transaction *transaction, const struct write *write)
{
    struct statement *statement = row_statement(transaction, write);
    struct text conflict_column;
    enum step step = statement ? run_row(transaction, write, statement, &conflict_column) : STEP_FAILED;

    if (step == STEP_CONFLICT)
        return conflict(transaction, write, conflict_column);
    return step == STEP_DONE ? NULL : connection_failure(transaction->connection, transaction->arena);
}

/* ---- what follows from it ---- */

STORE_QUERY(insert_audit, NULL,
            "INSERT INTO audit_log (scope, entity_type, entity_id, action, actor_id, request_id, "
            "occurred_at, changes) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");

STORE_QUERY(insert_system_event, NULL,
            "INSERT INTO system_events (scope, id, event_name, entity_type, entity_id, payload, created_at, "
            "created_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");

static const struct failure *execute(struct transaction *transaction, const struct query *query,
                                     const struct value *parameters, size_t parameter_count)
{
    struct statement *statement = query_statement(transaction, query);

    if (!statement)
        return transaction->failure;
    enum step step = statement_start(statement, parameters, parameter_count);
    const struct failure *failure =
        step == STEP_DONE ? NULL : connection_failure(transaction->connection, transaction->arena);

    statement_end(statement);
    return failure;
}

static enum action action_of(const struct write *write)
{
    const struct field *status = entity_field(write->entity, TEXT("status"));

    if (!write->before)
        return ACTION_CREATED;
    if (text_equal(field_text_of(status, write->before), status_published) &&
        !text_equal(field_text_of(status, write->record), status_published))
        return ACTION_ARCHIVED;
    return ACTION_UPDATED;
}

static struct text action_name(enum action action)
{
    static const struct text names[] = {TEXT_LITERAL("created"), TEXT_LITERAL("updated"),
                                        TEXT_LITERAL("archived")};

    return names[action];
}

static bool is_audited(const struct write *write, size_t index)
{
    const struct field *field = &write->entity->fields[index];

    if (index == 0 || !field_is_column(field) || field->flags & FIELD_STAMP)
        return false;
    return write->before ? is_changed(write, index) : !field_empty(field, write->record);
}

/* One side of the change: the audited fields as `record` has them. */
static void write_side(struct json_writer *writer, const struct write *write, struct text side,
                       const void *record)
{
    json_key(writer, side);
    json_begin_object(writer);
    for (size_t i = 0; i < write->entity->field_count; i++) {
        const struct field *field = &write->entity->fields[i];

        if (!is_audited(write, i))
            continue;
        json_key_raw(writer, field->key);
        if (field->flags & FIELD_SECRET)
            json_string(writer, TEXT("(secret)"));
        else
            field_write_json(writer, field, record, write->scope);
    }
    json_end_object(writer);
}

static struct text changes_json(const struct write *write, struct buffer *scratch)
{
    struct json_writer writer;

    buffer_clear(scratch);
    json_writer_init(&writer, scratch);
    json_begin_object(&writer);
    if (write->before)
        write_side(&writer, write, TEXT("before"), write->before);
    write_side(&writer, write, TEXT("after"), write->record);
    json_end_object(&writer);
    return buffer_text(scratch);
}

static struct value scope_value(const struct write *write)
{
    return value_integer(write->scope ? write->scope->number : SCOPE_NONE);
}

static const struct failure *write_audit(struct transaction *transaction, const struct write *write,
                                         enum action action, struct buffer *scratch)
{
    const struct call *call = transaction->call;

    return execute(transaction, &insert_audit,
                   VALUES(scope_value(write), value_text(write->entity->name),
                          value_text(entity_id(write->entity, write->record)),
                          value_text(action_name(action)), value_text(call->actor_id),
                          value_text(call->request_id), value_integer(call->now_us),
                          value_text(changes_json(write, scratch))));
}

static struct text event_name(const struct entity *entity, enum action action)
{
    switch (action) {
    case ACTION_CREATED:
        return entity->event_created;
    case ACTION_ARCHIVED:
        return entity->event_archived;
    default:
        return entity->event_updated;
    }
}

/* 70-webhooks section 1.3: {"event_type": NAME, "<entity>": {...}}, as the row is at the commit. */
static struct text event_json(const struct write *write, struct text name, struct buffer *scratch)
{
    struct json_writer writer;

    buffer_clear(scratch);
    json_writer_init(&writer, scratch);
    json_begin_object(&writer);
    json_key(&writer, TEXT("event_type"));
    json_string(&writer, name);
    json_key(&writer, write->entity->name);
    json_begin_object(&writer);
    entity_write_event_members(&writer, write->entity, write->record, write->scope);
    json_end_object(&writer);
    json_end_object(&writer);
    return buffer_text(scratch);
}

static const struct failure *write_event(struct transaction *transaction, const struct write *write,
                                         enum action action, struct buffer *scratch)
{
    const struct call *call = transaction->call;
    struct text name = event_name(write->entity, action);

    if (!text_is_set(name))
        return NULL;
    return execute(transaction, &insert_system_event,
                   VALUES(scope_value(write),
                          value_text(ulid_make_id(transaction->arena, "sys_event", call->now_us)),
                          value_text(name), value_text(write->entity->name),
                          value_text(entity_id(write->entity, write->record)),
                          value_text(event_json(write, name, scratch)), value_integer(call->now_us),
                          value_text(call->actor_id)));
}

static bool changes_nothing(const struct write *write)
{
    if (!write->before)
        return false;
    for (size_t i = 0; i < write->entity->field_count; i++)
        if (is_changed(write, i))
            return false;
    return true;
}

const struct failure *transaction_flush(struct transaction *transaction, struct buffer *scratch)
{
    const struct failure *failure = transaction->failure;

    for (const struct write *write = transaction->writes; write && !failure; write = write->next) {
        if (changes_nothing(write))
            continue;
        enum action action = action_of(write);

        failure = write_row(transaction, write);
        if (!failure)
            failure = write_audit(transaction, write, action, scratch);
        if (!failure)
            failure = write_event(transaction, write, action, scratch);
    }
    return failure;
}

/* ---- scopes ---- */

struct scope_row {
    int64_t scope;
};

static const struct field scope_row_fields[] = {{FIELD(struct scope_row, scope, FIELD_INTEGER)}};
static const struct entity scope_row_entity = {
    .name = TEXT_LITERAL("scope"),
    ENTITY_FIELDS(scope_row_fields),
    .struct_size = sizeof(struct scope_row),
};

STORE_QUERY(find_scope, &scope_row_entity,
            "SELECT {columns} FROM scopes WHERE tenant_id = $1 AND environment_id = $2");
STORE_QUERY(insert_scope, NULL, "INSERT INTO scopes (tenant_id, environment_id) VALUES ($1, $2)");

int64_t transaction_intern_scope(struct transaction *transaction, struct text tenant_id,
                                 struct text environment_id)
{
    struct scope_row row = {0};

    if (query_record(transaction, &find_scope, VALUES(value_text(tenant_id), value_text(environment_id)),
                     &row))
        return row.scope;
    const struct failure *failure =
        execute(transaction, &insert_scope, VALUES(value_text(tenant_id), value_text(environment_id)));

    if (failure && !transaction->failure)
        transaction->failure = failure;
    return query_record(transaction, &find_scope, VALUES(value_text(tenant_id), value_text(environment_id)),
                        &row)
               ? row.scope
               : SCOPE_NONE;
}
