/* caller_table.h: callers in memory, found by a key: the hash of an API key, the id of a user. Shared by all
 * threads.
 *
 * A request copies what it needs under a read lock, so that a caller can be taken out at any time: once
 * caller_table_remove has returned, no new request is let in with it. */
#ifndef FARTHING_ACCESS_CALLER_TABLE_H
#define FARTHING_ACCESS_CALLER_TABLE_H

#include "access/caller.h"
#include "base/arena.h"

struct caller_table;

/* How exactly the last use of an entry is known. */
enum { CALLER_TABLE_USE_STEP_US = 60 * 1000 * 1000 };

struct caller_table *caller_table_new(void);
void caller_table_free(struct caller_table *table);

/* Adds a caller, or replaces the one under the same key. Texts are copied. */
void caller_table_put(struct caller_table *table, struct text key, const struct caller *caller);
/* Forgets what is under a key. Nothing happens when there is nothing. */
void caller_table_remove(struct caller_table *table, struct text key);
/* The same for API keys by the id of their record. O(entries). */
void caller_table_remove_key_id(struct caller_table *table, struct text key_id);
/* What is in the one table is in the other afterwards. Only the first is in use by others. Uses that were not
 * taken yet are kept. */
void caller_table_swap(struct caller_table *table, struct caller_table *other);
/* Copies the caller under a key, its texts into the arena. False when there is none. */
bool caller_table_find(struct caller_table *table, struct text key, struct arena *arena,
                       struct caller *caller);

/* The same, noting that the caller was used now (to CALLER_TABLE_USE_STEP_US). */
bool caller_table_use(struct caller_table *table, struct text key, int64_t now_us, struct arena *arena,
                      struct caller *caller);

/* When an API key was last used. */
struct caller_use {
    struct text key_id;
    int64_t scope;
    int64_t used_at_us;
};
/* Whether there may be some that have not been taken yet. Cheap. */
bool caller_table_has_uses(const struct caller_table *table);
/* Up to `max` uses that have not been taken yet, their texts in the arena; returns how many. */
size_t caller_table_take_uses(struct caller_table *table, struct caller_use *uses, size_t max,
                              struct arena *arena);

#endif
