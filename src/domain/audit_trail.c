#include "domain/audit_trail.h"

STORE_QUERY(all_chains, &audit_chain_row_entity,
            "SELECT {columns} FROM audit_chains WHERE chain >= 0 ORDER BY chain");
STORE_QUERY(last_row, &audit_row_entity,
            "SELECT {columns} FROM audit_log WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1");
STORE_QUERY(
    next_rows, &audit_row_entity,
    "SELECT {columns} FROM audit_log WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3");

struct record_list audit_heads(struct transaction *transaction, int64_t *last_sequence)
{
    struct audit_row last = {0};
    /* One after the other: where they are not of one snapshot, the row must not be the older one. */
    struct record_list heads = query_records(transaction, &all_chains, NULL, 0);

    if (!transaction->failure)
        query_record(transaction, &last_row, NULL, 0, &last);
    *last_sequence = last.sequence;
    return heads;
}

struct record_list audit_rows(struct transaction *transaction, int64_t after, int64_t until)
{
    return query_records(
        transaction, &next_rows,
        VALUES(value_integer(after), value_integer(until), value_integer(AUDIT_SLICE_ROWS_MAX)));
}
