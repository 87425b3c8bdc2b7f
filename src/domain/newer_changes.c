#include "domain/newer_changes.h"

struct end {
    int64_t sequence;
};
static const struct field end_fields[] = {{FIELD(struct end, sequence, FIELD_INTEGER)}};
static const struct entity end_entity = {
    .name = TEXT_LITERAL("end_of_trail"),
    ENTITY_FIELDS(end_fields),
    .struct_size = sizeof(struct end),
};

static const struct field newer_fields[] = {
    {FIELD(struct newer_changes, entity_type, FIELD_TEXT)},
    {FIELD(struct newer_changes, action, FIELD_TEXT)},
    {FIELD(struct newer_changes, count, FIELD_INTEGER)},
    {FIELD(struct newer_changes, since, FIELD_INSTANT)},
};
static const struct entity newer_entity = {
    .name = TEXT_LITERAL("newer_changes"),
    ENTITY_FIELDS(newer_fields),
    .struct_size = sizeof(struct newer_changes),
};

int64_t newer_changes_end(struct transaction *transaction)
{
    static const struct query query = {
        TEXT_LITERAL("SELECT coalesce(max(sequence), 0) AS sequence FROM audit_log"), &end_entity, true};
    struct end end = {0};

    query_record(transaction, &query, NULL, 0, &end);
    return end.sequence;
}

struct record_list newer_changes_of(struct transaction *transaction, int64_t sequence, int64_t time_us)
{
    /* Whoever asks over HTTP has an id for the request, the operator's commands included. */
    static const struct query query = {
        TEXT_LITERAL(
            "SELECT entity_type, action, count(*) AS count, min(occurred_at) AS since FROM audit_log "
            "WHERE (sequence > $1 OR occurred_at > $2) AND request_id <> '' GROUP BY entity_type, "
            "action ORDER BY since, entity_type, action"),
        &newer_entity, true};

    return query_records(transaction, &query, VALUES(value_integer(sequence), value_instant(time_us)));
}
