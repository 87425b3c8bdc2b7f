#include "domain/outbox.h"

#include "store/customer_key.h"

static const struct field outbox_event_fields[] = {
    {FIELD(struct outbox_event, sequence, FIELD_INTEGER)},
    {FIELD(struct outbox_event, id, FIELD_TEXT)},
    {FIELD(struct outbox_event, event_name, FIELD_TEXT)},
    {FIELD(struct outbox_event, scope, FIELD_INTEGER), .flags = FIELD_INTERNAL},
    {FIELD(struct outbox_event, tenant_id, FIELD_TEXT)},
    {FIELD(struct outbox_event, environment_id, FIELD_TEXT)},
    {FIELD(struct outbox_event, entity_type, FIELD_TEXT)},
    {FIELD(struct outbox_event, entity_id, FIELD_TEXT)},
    {FIELD(struct outbox_event, created_at, FIELD_INSTANT)},
    {FIELD(struct outbox_event, published_at, FIELD_INSTANT), .flags = FIELD_OMIT_UNSET},
    {FIELD(struct outbox_event, failure_count, FIELD_INTEGER)},
    {FIELD(struct outbox_event, failure_reason, FIELD_TEXT), .flags = FIELD_OMIT_EMPTY},
    {FIELD(struct outbox_event, payload, FIELD_JSON_OBJECT)},
};
const struct entity outbox_event_entity = {
    .name = TEXT_LITERAL("outbox_event"),
    ENTITY_FIELDS(outbox_event_fields),
    .struct_size = sizeof(struct outbox_event),
};

#define EVENTS                                                                                               \
    "SELECT e.sequence, e.id, e.event_name, e.scope, s.tenant_id, s.environment_id, e.entity_type, "         \
    "e.entity_id, "                                                                                          \
    "e.created_at, e.published_at, e.failure_count, e.failure_reason, e.payload FROM system_events e JOIN "  \
    "scopes s ON s.scope = e.scope "

STORE_QUERY(newest_events, &outbox_event_entity,
            EVENTS "WHERE e.sequence > 0 ORDER BY e.sequence DESC LIMIT $1");
/* Ids of one kind grow with the time. */
STORE_QUERY(newest_events_of_scope, &outbox_event_entity,
            EVENTS "WHERE e.scope = $2 ORDER BY e.id DESC LIMIT $1");
STORE_QUERY(events_after, &outbox_event_entity, EVENTS "WHERE e.sequence > $1 ORDER BY e.sequence LIMIT $2");
STORE_QUERY(events_of_entities, &outbox_event_entity,
            EVENTS "WHERE e.scope = $1 AND e.entity_id IN ({elements of $2}) ORDER BY e.sequence");

static struct record_list opened(struct transaction *transaction, struct record_list list)
{
    struct outbox_event *events = list.records;
    struct sealed_text *texts = ARENA_ARRAY(transaction->arena, struct sealed_text, list.count);

    for (size_t i = 0; i < list.count; i++)
        texts[i] = (struct sealed_text){events[i].scope, events[i].id, &events[i].payload};
    customer_key_open(transaction, texts, list.count);
    return list;
}

struct record_list outbox_newest(struct transaction *transaction, const struct scope *scope, int64_t limit)
{
    return opened(transaction,
                  scope ? query_records(transaction, &newest_events_of_scope,
                                        VALUES(value_integer(limit), value_integer(scope->number)))
                        : query_records(transaction, &newest_events, VALUES(value_integer(limit))));
}

struct record_list outbox_after(struct transaction *transaction, int64_t sequence, int64_t limit)
{
    return opened(transaction, query_records(transaction, &events_after,
                                             VALUES(value_integer(sequence), value_integer(limit))));
}

struct record_list outbox_of_entities(struct transaction *transaction, const struct scope *scope,
                                      struct text entity_ids)
{
    return opened(transaction, query_records(transaction, &events_of_entities,
                                             VALUES(value_integer(scope->number), value_text(entity_ids))));
}
