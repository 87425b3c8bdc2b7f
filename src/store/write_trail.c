/* write_trail.c: what follows from a change: the audit row (who, when, from what to what) and the outbox row.
 */
#include "base/ulid.h"
#include "model/entity_json.h"
#include "store/audit_chain.h"
#include "store/customer_key.h"
#include "store/write.h"

enum action { ACTION_CREATED, ACTION_UPDATED, ACTION_ARCHIVED, ACTION_ERASED };

STORE_QUERY(insert_audit, NULL,
            "INSERT INTO audit_log (scope, tenant_id, entity_type, entity_id, action, actor_id, request_id, "
            "occurred_at, changes, chain, position, hash) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");

STORE_QUERY(insert_system_event, NULL,
            "INSERT INTO system_events (scope, id, event_name, entity_type, entity_id, payload, created_at, "
            "created_by) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");

static bool archives(const struct write *write)
{
    const struct field *status = entity_field(write->entity, TEXT("status"));

    return write->before && text_equal(field_text_of(status, write->before), status_published) &&
           !text_equal(field_text_of(status, write->record), status_published);
}

static enum action action_of(const struct write *write)
{
    if (write->is_erasure)
        return ACTION_ERASED;
    if (archives(write))
        return ACTION_ARCHIVED;
    return write->before ? ACTION_UPDATED : ACTION_CREATED;
}

static struct text action_name(enum action action)
{
    static const struct text names[] = {TEXT_LITERAL("created"), TEXT_LITERAL("updated"),
                                        TEXT_LITERAL("archived"), TEXT_LITERAL("erased")};

    return names[action];
}

static bool is_audited(const struct write *write, size_t index)
{
    const struct field *field = &write->entity->fields[index];

    if (index == 0 || !field_is_column(field) || field->flags & FIELD_STAMP)
        return false;
    return write->before ? write_changes(write, index) : !field_empty(field, write->record);
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
    if (write->before && !write->is_erasure)
        write_side(&writer, write, TEXT("before"), write->before);
    write_side(&writer, write, TEXT("after"), write->record);
    json_end_object(&writer);
    return buffer_text(scratch);
}

static int64_t scope_of(const struct write *write)
{
    return write->entity->scoping == SCOPED_BY_ENVIRONMENT ? write->scope->number : SCOPE_NONE;
}

/* Whose trail it is in, when that does not follow from its scope; empty: nobody's but the operator's. */
static struct text tenant_of(const struct transaction *transaction, const struct write *write)
{
    const struct field *field = entity_field(write->entity, TEXT("tenant_id"));
    const struct scope *scope = write->scope ? write->scope : transaction->call->scope;

    if (write->entity->scoping == SCOPED_BY_ENVIRONMENT)
        return text_empty;
    if (field && field_is_column(field))
        return field_text_of(field, write->record);
    if (text_equal(write->entity->name, TEXT("tenant")))
        return entity_id(write->entity, write->record);
    return scope ? scope->tenant_id : text_empty;
}

/* What is to be stored of `plain`, JSON about the write: under the key of the customer whom it tells of, if
 * any. On a failure the transaction keeps it. */
static struct text sealed(struct transaction *transaction, const struct write *write, struct text about,
                          struct text plain)
{
    struct text customer_id = customer_key_subject(write->entity, write->record);

    if (!text_is_set(customer_id) || write->is_erasure)
        return plain;
    const struct envelope_keys *key =
        customer_key_take(transaction, write->scope, customer_id, customer_key_is_new(write));

    return key ? customer_key_seal(transaction, key, about, plain) : text_none;
}

static const struct failure *write_audit(struct transaction *transaction, const struct write *write,
                                         struct buffer *scratch)
{
    const struct call *call = transaction->call;
    struct connection *connection = transaction->connection;
    struct audit_row row = {
        .scope = scope_of(write),
        .tenant_id = tenant_of(transaction, write),
        .entity_type = write->entity->name,
        .entity_id = entity_id(write->entity, write->record),
        .action = action_name(action_of(write)),
        .actor_id = call->actor_id,
        .request_id = call->request_id,
        .occurred_at = call->now_us,
    };
    char hash[SHA256_HEX_LENGTH];

    row.changes = sealed(transaction, write, row.entity_id, changes_json(write, scratch));
    if (transaction->failure)
        return transaction->failure;
    audit_chain_append(connection, &row, &connection->audit_scratch, hash);
    return transaction_execute(
        transaction, &insert_audit,
        VALUES(value_integer(row.scope), value_text(row.tenant_id), value_text(row.entity_type),
               value_text(row.entity_id), value_text(row.action), value_text(row.actor_id),
               value_text(row.request_id), value_instant(row.occurred_at), value_text(row.changes),
               value_integer(row.chain), value_integer(row.position), value_text(row.hash)));
}

static struct text event_name(const struct write *write)
{
    if (!write->before)
        return write->entity->event_created;
    return archives(write) ? write->entity->event_archived : write->entity->event_updated;
}

/* 70-webhooks section 1.3: {"event_type": NAME, "<entity>": {...}}, as the row is at the commit. */
static struct text event_json(const struct write *write, struct text name, struct buffer *scratch)
{
    struct json_writer writer;

    buffer_clear(scratch);
    json_writer_init(&writer, scratch);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("event_type"), name);
    json_key(&writer, write->entity->name);
    json_begin_object(&writer);
    entity_write_event_members(&writer, write->entity, write->record, write->scope);
    json_end_object(&writer);
    json_end_object(&writer);
    return buffer_text(scratch);
}

static const struct failure *write_event(struct transaction *transaction, const struct write *write,
                                         struct buffer *scratch)
{
    const struct call *call = transaction->call;
    struct text name = event_name(write);

    if (!text_is_set(name) || call->quiet_events)
        return NULL;
    struct text id = ulid_make_id(transaction->arena, "sys_event", call->now_us);
    struct text payload = sealed(transaction, write, id, event_json(write, name, scratch));

    if (transaction->failure)
        return transaction->failure;
    return transaction_execute(
        transaction, &insert_system_event,
        VALUES(value_integer(scope_of(write)), value_text(id), value_text(name),
               value_text(write->entity->name), value_text(entity_id(write->entity, write->record)),
               value_text(payload), value_instant(call->now_us), value_text(call->actor_id)));
}

const struct failure *write_trail(struct transaction *transaction, const struct write *write,
                                  struct buffer *scratch)
{
    if (write->entity->has_no_trail)
        return NULL;
    const struct failure *failure = write_audit(transaction, write, scratch);

    return failure ? failure : write_event(transaction, write, scratch);
}
