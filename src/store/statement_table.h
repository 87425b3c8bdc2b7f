/* statement_table.h: the prepared statements of a connection, found by a key. Only for the store. */
#ifndef FARTHING_STORE_STATEMENT_TABLE_H
#define FARTHING_STORE_STATEMENT_TABLE_H

#include "store/engine.h"

struct statement_slot {
    uint64_t key; /* 0: free */
    struct statement *statement;
};

struct statement_table {
    struct statement_slot *slots;
    size_t slot_count, slots_used;
    uint64_t varying[CONNECTION_VARYING_MAX]; /* keys of slots, the oldest one at next_varying; 0: none yet */
    unsigned next_varying;
};

struct statement *statement_table_find(const struct statement_table *table, uint64_t key);
/* Keeps the statement. Returns the one that gives way to it, if any, which the caller frees. */
struct statement *statement_table_add(struct statement_table *table, uint64_t key, enum statement_sort sort,
                                      struct statement *statement);
/* Empties the table, and has `free_statement` free each statement. */
void statement_table_clear(struct statement_table *table,
                           void (*free_statement)(struct statement *statement));

#endif
