/* customer_erase.c: forgetting a customer for good, and telling all that is held of one (the rights of a
 * person under the GDPR, articles 15 and 17). */
#include "domain/activity.h"
#include "domain/customer_blockers.h"
#include "domain/outbox.h"
#include "domain/records.h"
#include "store/customer_key.h"
#include "json/writer.h"

static const struct text forgotten = TEXT_LITERAL("(erased)");

STORE_QUERY(forget_aliases, NULL, "DELETE FROM customer_aliases WHERE scope = $1 AND customer_id = $2");
/* What was written before customers had keys. */
STORE_QUERY(forget_plain_events, NULL,
            "UPDATE system_events SET payload = $3 WHERE scope = $1 AND entity_id IN ({elements of $2}) AND "
            "CAST(payload AS text) NOT LIKE $4");

struct plain_count {
    int64_t count;
};
static const struct field plain_count_fields[] = {{FIELD(struct plain_count, count, FIELD_INTEGER)}};
static const struct entity plain_count_entity = {
    .name = TEXT_LITERAL("plain_count"),
    ENTITY_FIELDS(plain_count_fields),
    .struct_size = sizeof(struct plain_count),
};
STORE_QUERY(
    count_plain_changes, &plain_count_entity,
    "SELECT count(*) AS count FROM audit_log WHERE scope = $1 AND entity_id IN ({elements of $2}) AND "
    "action <> 'erased' AND CAST(changes AS text) NOT LIKE $3");

/* A JSON array of the ids under which there are rows about the customer. */
static struct text ids_of(struct arena *arena, struct text customer_id, const struct record_list *mappings)
{
    const struct integration_mapping *mapping = mappings->records;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    json_string(&writer, customer_id);
    for (size_t i = 0; i < mappings->count; i++)
        json_string(&writer, mapping[i].id);
    json_end_array(&writer);
    struct text ids = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return ids;
}

/* ---- telling ---- */

void customer_export(struct transaction *transaction, struct text id, struct customer_export *export)
{
    export->integrations = customer_integrations_ever(transaction, id);
    struct text ids = ids_of(transaction->arena, id, &export->integrations);

    export->aliases = customer_aliases(transaction, id, INT64_MAX);
    export->activity = activity_of_entities(transaction, ids);
    export->events = outbox_of_entities(transaction, transaction->call->scope, ids);
}

/* ---- forgetting ---- */

static const struct failure *may_be_erased(struct transaction *transaction, const struct customer *customer)
{
    const struct failure *failure = NULL;

    if (text_equal(customer->status, status_published))
        for (customer_blocker *const *blocker = customer_blockers; !failure && *blocker; blocker++)
            failure = (*blocker)(transaction, customer);
    return failure;
}

static void forget_customer(struct transaction *transaction, const struct customer *before)
{
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);

    *after = *before;
    entity_forget(&customer_entity, after, forgotten);
    after->external_id = before->id; /* which tells nothing, and is nobody else's */
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_erase(transaction, transaction->call->scope, &customer_entity, before, after);
}

static void forget_mapping(struct transaction *transaction, const struct integration_mapping *before)
{
    struct integration_mapping *after = ARENA_NEW(transaction->arena, struct integration_mapping);

    *after = *before;
    entity_forget(&integration_mapping_entity, after, forgotten);
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_erase(transaction, transaction->call->scope, &integration_mapping_entity, before, after);
}

static const struct failure *forget_trail(struct transaction *transaction, struct text customer_id,
                                          struct text ids)
{
    const struct value scope = value_integer(transaction->call->scope->number);
    const struct failure *failure =
        transaction_discard(transaction, &forget_aliases, VALUES(scope, value_text(customer_id)));

    if (!failure)
        failure = transaction_discard(transaction, &forget_plain_events,
                                      VALUES(scope, value_text(ids), value_text(customer_key_erased),
                                             value_text(customer_key_sealed_pattern)));
    return failure ? failure : customer_key_destroy(transaction, transaction->call->scope, customer_id);
}

/* What the row says anybody can have put into it; the key only goes with the person. */
static bool is_erased(struct transaction *transaction, const struct customer *customer)
{
    struct envelope_key key;

    return text_equal(customer->name, forgotten) && text_equal(customer->external_id, customer->id) &&
           !customer_key_find(transaction, transaction->call->scope, customer->id, &key);
}

const struct failure *customer_erase(struct transaction *transaction, struct text id,
                                     struct customer_erasure *erasure)
{
    struct customer *customer = ARENA_NEW(transaction->arena, struct customer);
    const struct failure *failure = customer_get(transaction, id, customer);

    if (!failure)
        failure = may_be_erased(transaction, customer);
    if (failure)
        return failure;
    struct record_list mappings = customer_integrations_ever(transaction, id);
    const struct integration_mapping *mapping = mappings.records;
    struct text ids = ids_of(transaction->arena, id, &mappings);
    struct plain_count plain = {0};

    query_record(transaction, &count_plain_changes,
                 VALUES(value_integer(transaction->call->scope->number), value_text(ids),
                        value_text(customer_key_sealed_pattern)),
                 &plain);
    *erasure = (struct customer_erasure){
        .was_erased = is_erased(transaction, customer),
        .integration_count = (int64_t)mappings.count,
        .plain_activity_count = plain.count,
    };
    if (erasure->was_erased)
        return NULL;
    forget_customer(transaction, customer);
    for (size_t i = 0; i < mappings.count; i++)
        forget_mapping(transaction, &mapping[i]);
    return forget_trail(transaction, id, ids);
}
