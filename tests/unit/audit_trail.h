/* audit_trail.h: the audit trail of a store, checked as `farthing audit verify` checks it. */
#ifndef FARTHING_TESTS_AUDIT_TRAIL_H
#define FARTHING_TESTS_AUDIT_TRAIL_H

#include "domain/audit_check.h"
#include "domain/audit_trail.h"

struct trail_reading {
    struct audit_check *check;
    bool is_again; /* only the heads are read, after the rows */
    struct audit_extent extent;
};

static inline void trail_read_rows(struct trail_reading *reading, struct transaction *transaction)
{
    struct buffer scratch = {0};
    int64_t after = 0;

    for (size_t count = AUDIT_SLICE_ROWS_MAX; count == AUDIT_SLICE_ROWS_MAX;) {
        struct record_list list = audit_rows(transaction, after, reading->extent.last_sequence);
        const struct audit_row *rows = list.records;

        count = list.count;
        for (size_t i = 0; i < count; i++) {
            struct audit_link link = {rows[i].sequence, rows[i].chain,      rows[i].position, {0},
                                      rows[i].hash,     rows[i].occurred_at};

            audit_digest(&rows[i], &scratch, link.digest);
            audit_check_row(reading->check, &link);
            after = rows[i].sequence;
        }
    }
    buffer_free(&scratch);
}

static inline const struct failure *trail_read(void *context, struct transaction *transaction)
{
    struct trail_reading *reading = context;
    struct record_list list = audit_heads(transaction, &reading->extent);
    const struct audit_chain_row *heads = list.records;

    for (size_t i = 0; i < list.count; i++)
        if (reading->is_again)
            audit_check_head_again(reading->check, &heads[i]);
        else
            audit_check_head(reading->check, &heads[i]);
    if (!reading->is_again)
        audit_check_since(reading->check, reading->extent.since);
    if (!reading->is_again)
        trail_read_rows(reading, transaction);
    return NULL;
}

/* What is wrong with the trail: how many things; `between` is done after the rows were read. */
static inline size_t trail_fault_count(struct store *store, struct arena *arena,
                                       void (*between)(void *context), void *context)
{
    const struct call call = {.actor_id = TEXT_LITERAL(""), .request_id = TEXT_LITERAL("")};
    struct trail_reading reading = {.check = audit_check_new()};
    const struct failure *failure = store_read(store, arena, &call, trail_read, &reading);

    if (between)
        between(context);
    reading.is_again = true;
    if (!failure)
        failure = store_read(store, arena, &call, trail_read, &reading);
    size_t count = failure ? SIZE_MAX : audit_check_end(reading.check);

    audit_check_free(reading.check);
    return count;
}

#endif
