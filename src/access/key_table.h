/* key_table.h: the keys that authenticate, in memory, found by their hash. Shared by all threads.
 *
 * A request copies what it needs under a read lock, so that a key can be revoked at any time: once
 * key_table_remove has returned, no new request is let in with it. */
#ifndef FARTHING_ACCESS_KEY_TABLE_H
#define FARTHING_ACCESS_KEY_TABLE_H

#include "access/caller.h"
#include "base/arena.h"
#include "base/hash.h"

struct key_table;

struct key_table *key_table_new(void);
void key_table_free(struct key_table *table);

/* Adds a key, or replaces the one with the same hash. The caller's texts are copied. */
void key_table_put(struct key_table *table, const uint8_t digest[SHA256_BYTES], const struct caller *caller);
/* Forgets a key. Nothing happens when it is not there. */
void key_table_remove(struct key_table *table, const uint8_t digest[SHA256_BYTES]);
/* The same for a key by the id of its record. O(keys). */
void key_table_remove_id(struct key_table *table, struct text key_id);
/* What is in the one table is in the other afterwards. Only the first is in use by others. */
void key_table_swap(struct key_table *table, struct key_table *other);
/* Sets or lifts the suspension of every key of a tenant. O(keys). */
void key_table_suspend(struct key_table *table, struct text tenant_id, bool is_suspended);
/* Copies the caller behind a key, its texts into the arena. False when there is none. */
bool key_table_find(struct key_table *table, const uint8_t digest[SHA256_BYTES], struct arena *arena,
                    struct caller *caller);

#endif
