#include "domain/audit_trail.h"

STORE_QUERY(all_chains, &audit_chain_row_entity,
            "SELECT {columns} FROM audit_chains WHERE chain >= 0 ORDER BY chain");
STORE_QUERY(last_row, &audit_row_entity,
            "SELECT {columns} FROM audit_log WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1");
STORE_QUERY(
    next_rows, &audit_row_entity,
    "SELECT {columns} FROM audit_log WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3");

struct beginning {
    int64_t since;
};
static const struct field beginning_fields[] = {{FIELD(struct beginning, since, FIELD_INSTANT)}};
static const struct entity beginning_entity = {
    .name = TEXT_LITERAL("audit_beginning"),
    ENTITY_FIELDS(beginning_fields),
    .struct_size = sizeof(struct beginning),
};
STORE_QUERY(oldest_tenant, &beginning_entity, "SELECT min(created_at) AS since FROM tenants");

struct record_list audit_heads(struct transaction *transaction, struct audit_extent *extent)
{
    struct audit_row last = {0};
    struct beginning beginning = {INSTANT_UNSET};
    /* One after the other: where they are not of one snapshot, the row must not be the older one, and the
     * tenant not the newer. */
    query_record(transaction, &oldest_tenant, NULL, 0, &beginning);
    struct record_list heads = query_records(transaction, &all_chains, NULL, 0);

    if (!transaction->failure)
        query_record(transaction, &last_row, NULL, 0, &last);
    *extent = (struct audit_extent){last.sequence, beginning.since};
    return heads;
}

struct record_list audit_rows(struct transaction *transaction, int64_t after, int64_t until)
{
    return query_records(
        transaction, &next_rows,
        VALUES(value_integer(after), value_integer(until), value_integer(AUDIT_SLICE_ROWS_MAX)));
}
