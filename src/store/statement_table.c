#include "store/statement_table.h"

#include <stdlib.h>

enum { STATEMENT_SLOTS_FIRST = 64 }; /* a power of two; doubled when half full */

static uint64_t spread(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    key ^= key >> 32;
    return key ? key : 1;
}

static void insert_slot(struct statement_table *table, struct statement_slot slot)
{
    size_t mask = table->slot_count - 1, i = slot.key & mask;

    while (table->slots[i].key)
        i = (i + 1) & mask;
    table->slots[i] = slot;
}

static void make_slots(struct statement_table *table, size_t count)
{
    struct statement_slot *old = table->slots;
    size_t old_count = table->slot_count;

    table->slot_count = count;
    table->slots = calloc(table->slot_count, sizeof *table->slots);
    if (!table->slots)
        abort();
    for (size_t i = 0; i < old_count; i++)
        if (old[i].key)
            insert_slot(table, old[i]);
    free(old);
}

static struct statement_slot *find_slot(const struct statement_table *table, uint64_t spread_key)
{
    size_t mask = table->slot_count - 1;

    if (table->slot_count == 0)
        return NULL;
    for (size_t i = spread_key & mask; table->slots[i].key; i = (i + 1) & mask)
        if (table->slots[i].key == spread_key)
            return &table->slots[i];
    return NULL;
}

struct statement *statement_table_find(const struct statement_table *table, uint64_t key)
{
    struct statement_slot *slot = find_slot(table, spread(key));

    return slot ? slot->statement : NULL;
}

/* Forgets the oldest varying statement when there are too many, and returns it. */
static struct statement *add_varying(struct statement_table *table, uint64_t spread_key)
{
    uint64_t *oldest = &table->varying[table->next_varying++ % CONNECTION_VARYING_MAX];
    struct statement_slot *slot = *oldest ? find_slot(table, *oldest) : NULL;

    *oldest = spread_key;
    if (!slot)
        return NULL;
    struct statement *forgotten = slot->statement;

    slot->key = 0;
    table->slots_used--;
    make_slots(table, table->slot_count); /* closes the gap */
    return forgotten;
}

struct statement *statement_table_add(struct statement_table *table, uint64_t key, enum statement_sort sort,
                                      struct statement *statement)
{
    struct statement *forgotten = sort == STATEMENT_VARYING ? add_varying(table, spread(key)) : NULL;

    if (table->slots_used * 2 >= table->slot_count)
        make_slots(table, table->slot_count ? table->slot_count * 2 : STATEMENT_SLOTS_FIRST);
    insert_slot(table, (struct statement_slot){spread(key), statement});
    table->slots_used++;
    return forgotten;
}

void statement_table_clear(struct statement_table *table, void (*free_statement)(struct statement *statement))
{
    for (size_t i = 0; i < table->slot_count; i++)
        if (table->slots[i].key)
            free_statement(table->slots[i].statement);
    free(table->slots);
    *table = (struct statement_table){0};
}
