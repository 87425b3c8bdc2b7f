/* write_set.c: a use case's changes, gathered while it runs and written when it has returned. */
#include "store/customer_key.h"
#include "store/write.h"

#include <assert.h>

void transaction_init(struct transaction *transaction, struct connection *connection, struct arena *arena,
                      const struct call *call)
{
    *transaction = (struct transaction){
        .connection = connection, .arena = arena, .call = call, .arena_bytes_before = arena->total_bytes};
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

void transaction_erase(struct transaction *transaction, const struct scope *scope,
                       const struct entity *entity, const void *before, const void *after)
{
    add_write(transaction, (struct write){
                               .scope = scope,
                               .entity = entity,
                               .before = before,
                               .record = after,
                               .is_erasure = true,
                           });
}

bool write_changes(const struct write *write, size_t index)
{
    const struct field *field = &write->entity->fields[index];

    return index > 0 && field_is_column(field) && !field_equal(field, write->before, write->record);
}

const struct failure *transaction_execute(struct transaction *transaction, const struct query *query,
                                          const struct value *parameters, size_t parameter_count)
{
    struct statement *statement = query_statement(transaction, query);

    if (!statement)
        return transaction->failure;
    const struct engine *engine = transaction->connection->engine;

    return engine->change(statement, parameters, parameter_count, NULL) == STEP_DONE
               ? NULL
               : engine->failure(transaction->connection, transaction->arena);
}

static bool changes_nothing(const struct write *write)
{
    if (!write->before)
        return false;
    for (size_t i = 0; i < write->entity->field_count; i++)
        if (write_changes(write, i))
            return false;
    return true;
}

/* This process hears of it with the command, the others through the database. */
static void announce(struct transaction *transaction, const struct write *write)
{
    const struct engine *engine = transaction->connection->engine;

    if (!write->entity->is_cached)
        return;
    struct store_change *change = ARENA_NEW(transaction->arena, struct store_change);

    *change = (struct store_change){transaction->changes, write->entity, write->record};
    transaction->changes = change;
    if (engine->announce)
        engine->announce(transaction->connection, write->entity->name,
                         entity_id(write->entity, write->record));
}

const struct failure *transaction_flush(struct transaction *transaction, struct buffer *scratch)
{
    const struct failure *failure = transaction->failure;

    for (const struct write *write = transaction->writes; write && !failure; write = write->next) {
        if (changes_nothing(write))
            continue;
        failure = write_row(transaction, write);
        if (!failure)
            failure = write_trail(transaction, write, scratch);
        if (!failure)
            announce(transaction, write);
        if (entity_is_searched(write->entity))
            transaction->connection->has_searched = true;
    }
    return failure ? failure : customer_key_store(transaction);
}

const struct failure *transaction_run_command(struct connection *connection, struct store_command *command,
                                              struct buffer *scratch)
{
    struct audit_head head = connection->head;
    struct transaction transaction;

    transaction_init(&transaction, connection, command->arena, command->call);
    transaction.scratch = scratch;
    const struct failure *failure = command->run(command, &transaction);

    if (transaction.failure)
        failure = transaction.failure;
    if (!failure)
        failure = transaction_flush(&transaction, scratch);
    if (failure)
        connection->head = head; /* what it has appended to the audit trail does not stand */
    command->changes = failure ? NULL : transaction.changes;
    return failure;
}

const struct failure *transaction_apply(struct transaction *transaction)
{
    assert(transaction->scratch);
    const struct failure *failure = transaction_flush(transaction, transaction->scratch);

    transaction->writes = NULL;
    transaction->writes_end = &transaction->writes;
    return failure;
}

const struct failure *transaction_discard(struct transaction *transaction, const struct query *query,
                                          const struct value *parameters, size_t parameter_count)
{
    assert(transaction->scratch);
    return transaction_execute(transaction, query, parameters, parameter_count);
}

void transaction_take_turns(struct transaction *transaction, enum store_turns turns)
{
    const struct engine *engine = transaction->connection->engine;

    if (engine->take_turns && !transaction->failure)
        engine->take_turns(transaction->connection, turns);
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
    const struct failure *failure = transaction_execute(
        transaction, &insert_scope, VALUES(value_text(tenant_id), value_text(environment_id)));

    if (failure && !transaction->failure)
        transaction->failure = failure;
    return query_record(transaction, &find_scope, VALUES(value_text(tenant_id), value_text(environment_id)),
                        &row)
               ? row.scope
               : SCOPE_NONE;
}
