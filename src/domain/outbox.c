#include "domain/outbox.h"

static const struct field outbox_event_fields[] = {
    {FIELD(struct outbox_event, sequence, FIELD_INTEGER)},
    {FIELD(struct outbox_event, id, FIELD_TEXT)},
    {FIELD(struct outbox_event, event_name, FIELD_TEXT)},
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
    "SELECT e.sequence, e.id, e.event_name, s.tenant_id, s.environment_id, e.entity_type, e.entity_id, "     \
    "e.created_at, e.published_at, e.failure_count, e.failure_reason, e.payload FROM system_events e JOIN "  \
    "scopes s ON s.scope = e.scope "

STORE_QUERY(newest_events, &outbox_event_entity,
            EVENTS "WHERE e.sequence > 0 ORDER BY e.sequence DESC LIMIT $1");
/* Ids of one kind grow with the time. */
STORE_QUERY(newest_events_of_scope, &outbox_event_entity,
            EVENTS "WHERE e.scope = $2 ORDER BY e.id DESC LIMIT $1");
STORE_QUERY(events_after, &outbox_event_entity, EVENTS "WHERE e.sequence > $1 ORDER BY e.sequence LIMIT $2");

struct record_list outbox_newest(struct transaction *transaction, const struct scope *scope, int64_t limit)
{
    if (!scope)
        return query_records(transaction, &newest_events, VALUES(value_integer(limit)));
    return query_records(transaction, &newest_events_of_scope,
                         VALUES(value_integer(limit), value_integer(scope->number)));
}

struct record_list outbox_after(struct transaction *transaction, int64_t sequence, int64_t limit)
{
    return query_records(transaction, &events_after, VALUES(value_integer(sequence), value_integer(limit)));
}
