#include "domain/carry_over.h"

#include "json/writer.h"

static const struct field carried_fields[] = {
    {FIELD(struct carried, id, FIELD_TEXT)},
    {FIELD(struct carried, environment_id, FIELD_TEXT)},
};
static const struct entity carried_entity = {
    .name = TEXT_LITERAL("carried"),
    ENTITY_FIELDS(carried_fields),
    .struct_size = sizeof(struct carried),
};

static const struct field carried_event_fields[] = {
    {FIELD(struct carried_event, sequence, FIELD_INTEGER)},
    {FIELD(struct carried_event, scope, FIELD_INTEGER)},
    {FIELD(struct carried_event, id, FIELD_TEXT)},
    {FIELD(struct carried_event, published_at, FIELD_INSTANT)},
    {FIELD(struct carried_event, webhook_message_id, FIELD_TEXT)},
};
static const struct entity carried_event_entity = {
    .name = TEXT_LITERAL("carried_event"),
    ENTITY_FIELDS(carried_event_fields),
    .struct_size = sizeof(struct carried_event),
};

STORE_QUERY(revoked_keys, &carried_entity,
            "SELECT id, '' AS environment_id FROM secrets WHERE status <> 'published'");
STORE_QUERY(erased_customers, &carried_entity,
            "SELECT DISTINCT a.entity_id AS id, s.environment_id FROM scopes s JOIN audit_log a ON a.scope = "
            "s.scope AND a.action = 'erased' AND a.action <> 'created' WHERE a.entity_type = 'customer'");
STORE_QUERY(
    waiting_events, &carried_event_entity,
    "SELECT {columns} FROM system_events WHERE published_at IS NULL AND sequence > $1 ORDER BY sequence "
    "LIMIT $2");
STORE_QUERY(
    delivered_events, &carried_event_entity,
    "SELECT {columns} FROM system_events WHERE scope = $1 AND id IN ({elements of $2}) AND published_at "
    "IS NOT NULL ORDER BY sequence");
STORE_QUERY(
    take_delivery, NULL,
    "UPDATE system_events SET published_at = $3, webhook_message_id = $4 WHERE scope = $1 AND id = $2 "
    "AND published_at IS NULL");

struct record_list carry_over_revoked_keys(struct transaction *transaction)
{
    return query_records(transaction, &revoked_keys, NULL, 0);
}

struct record_list carry_over_erased_customers(struct transaction *transaction)
{
    return query_records(transaction, &erased_customers, NULL, 0);
}

struct record_list carry_over_waiting_events(struct transaction *transaction, int64_t after)
{
    return query_records(transaction, &waiting_events,
                         VALUES(value_integer(after), value_integer(CARRY_OVER_EVENTS_MAX)));
}

/* A JSON array of the ids of one environment's, which are not asked for again. */
static struct text take_ids(struct carried_event *events, size_t count, int64_t scope, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (size_t i = 0; i < count; i++)
        if (events[i].scope == scope && text_is_set(events[i].id)) {
            json_string(&writer, events[i].id);
            events[i].id = text_none;
        }
    json_end_array(&writer);
    struct text ids = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return ids;
}

static void append(struct record_list *list, const struct record_list *more)
{
    struct carried_event *events = list->records;

    for (size_t i = 0; i < more->count; i++)
        events[list->count++] = ((const struct carried_event *)more->records)[i];
}

struct record_list carry_over_delivered_events(struct transaction *transaction,
                                               const struct record_list *waiting)
{
    struct carried_event *left = ARENA_ARRAY(transaction->arena, struct carried_event, waiting->count);
    struct record_list delivered = {
        .records = ARENA_ARRAY(transaction->arena, struct carried_event, waiting->count)};

    for (size_t i = 0; i < waiting->count; i++)
        left[i] = ((const struct carried_event *)waiting->records)[i];
    for (size_t i = 0; i < waiting->count && !transaction->failure; i++) {
        if (!text_is_set(left[i].id))
            continue;
        struct text ids = take_ids(left, waiting->count, left[i].scope, transaction->arena);
        struct record_list found = query_records(transaction, &delivered_events,
                                                 VALUES(value_integer(left[i].scope), value_text(ids)));

        append(&delivered, &found);
    }
    return delivered;
}

const struct failure *carry_over_deliveries(struct transaction *transaction,
                                            const struct record_list *delivered)
{
    const struct carried_event *events = delivered->records;
    const struct failure *failure = NULL;

    for (size_t i = 0; i < delivered->count && !failure; i++)
        failure = transaction_discard(transaction, &take_delivery,
                                      VALUES(value_integer(events[i].scope), value_text(events[i].id),
                                             value_instant(events[i].published_at),
                                             value_text(events[i].webhook_message_id)));
    return failure;
}
