#include "domain/idempotency.h"

/* Without the replies, which may be large. */
struct record_id {
    struct text id;
};
static const struct field record_id_fields[] = {{FIELD(struct record_id, id, FIELD_TEXT)}};
static const struct entity record_id_entity = {
    .name = TEXT_LITERAL("idempotency_record"),
    ENTITY_FIELDS(record_id_fields),
    .struct_size = sizeof(struct record_id),
};

STORE_QUERY(record_by_id, &idempotency_record_entity,
            "SELECT {columns} FROM idempotency_records WHERE id = $1 {lock}");
STORE_QUERY(oldest_records, &record_id_entity,
            "SELECT {columns} FROM idempotency_records WHERE created_at < $1 ORDER BY created_at LIMIT $2 "
            "{lock}");
STORE_QUERY(discard_record, NULL, "DELETE FROM idempotency_records WHERE id = $1");

bool idempotency_find(struct transaction *transaction, struct text id, struct idempotency_record *record)
{
    return query_record(transaction, &record_by_id, VALUES(value_text(id)), record);
}

void idempotency_keep(struct transaction *transaction, struct idempotency_record *record,
                      const struct idempotency_record *previous)
{
    record->created_at = transaction->call->now_us;
    if (previous)
        transaction_update(transaction, NULL, &idempotency_record_entity, previous, record);
    else
        transaction_insert(transaction, NULL, &idempotency_record_entity, record);
}

/* One by one: the rows are locked, so that none that was renewed meanwhile is among them. */
const struct failure *idempotency_discard(struct transaction *transaction, int64_t kept_since_us,
                                          size_t *count)
{
    const struct record_list list =
        query_records(transaction, &oldest_records,
                      VALUES(value_instant(kept_since_us), value_integer(IDEMPOTENCY_DISCARDED_MAX)));
    const struct record_id *records = list.records;
    const struct failure *failure = transaction->failure;

    *count = list.count;
    for (size_t i = 0; i < list.count && !failure; i++)
        failure = transaction_discard(transaction, &discard_record, VALUES(value_text(records[i].id)));
    return failure;
}
