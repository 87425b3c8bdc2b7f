/* caller_table.c: chained buckets under one reader-writer lock: two atomic operations on a request of some
 * microseconds. */
#include "access/caller_table.h"

#include "base/random.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CALLER_TABLE_MAGIC = 0x43414c4c, BUCKETS_FIRST = 64 };

struct entry {
    struct entry *next;
    uint64_t hash;
    struct text key;
    struct caller caller;
    _Atomic int64_t used_at_us, taken_at_us; /* the last use, and the last one that was taken; 0: none */
    char texts[]; /* key and caller's, one after the other: an arena of its own would be a hundred times
                     larger */
};

struct caller_table {
    uint32_t magic;
    pthread_rwlock_t lock;
    atomic_bool has_uses;
    struct entry **buckets;
    size_t bucket_count, entry_count;
};

static size_t bucket_of(uint64_t hash, size_t bucket_count)
{
    return (size_t)hash & (bucket_count - 1);
}

/* Nobody can choose keys that fall into one bucket. The same for all tables, so that they can be swapped. */
static uint64_t hash_seed;
static pthread_once_t hash_seed_once = PTHREAD_ONCE_INIT;

static void draw_hash_seed(void)
{
    random_bytes(&hash_seed, sizeof hash_seed);
}

/* Eight bytes at a time, each mixed in with a step of the finalizer of splitmix64. */
static uint64_t hash_of(struct text key)
{
    uint64_t hash = hash_seed ^ key.length;

    for (size_t i = 0; i < key.length; i += sizeof hash) {
        uint64_t word = 0;

        memcpy(&word, key.data + i, key.length - i < sizeof word ? key.length - i : sizeof word);
        hash = (hash ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
        hash ^= hash >> 30;
    }
    return hash ^ hash >> 27;
}

static struct entry **new_buckets(size_t count)
{
    struct entry **buckets = calloc(count, sizeof(struct entry *));

    if (!buckets)
        abort();
    return buckets;
}

struct caller_table *caller_table_new(void)
{
    struct caller_table *table = calloc(1, sizeof *table);
    pthread_rwlockattr_t attributes;

    if (!table)
        abort();
    table->magic = CALLER_TABLE_MAGIC;
    pthread_once(&hash_seed_once, draw_hash_seed);
    table->bucket_count = BUCKETS_FIRST;
    table->buckets = new_buckets(table->bucket_count);
    pthread_rwlockattr_init(&attributes);
    /* A revocation must not wait behind an endless stream of requests. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&table->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return table;
}

void caller_table_free(struct caller_table *table)
{
    assert(table->magic == CALLER_TABLE_MAGIC);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    free(table->buckets);
    pthread_rwlock_destroy(&table->lock);
    table->magic = 0;
    free(table);
}

static void copy_caller(struct arena *arena, struct caller *to, const struct caller *from)
{
    *to = *from;
    to->scope.tenant_id = arena_copy(arena, from->scope.tenant_id);
    to->scope.environment_id = arena_copy(arena, from->scope.environment_id);
    to->user_id = arena_copy(arena, from->user_id);
    to->key_id = arena_copy(arena, from->key_id);
    to->customer_id = text_empty;
}

/* Copies a text to *end and moves *end behind it. */
static struct text move_in(char **end, struct text text)
{
    struct text copy = {text.data ? *end : NULL, text.length};

    if (text.length)
        memcpy(*end, text.data, text.length);
    *end += text.length;
    return copy;
}

static struct entry *new_entry(uint64_t hash, struct text key, const struct caller *caller)
{
    size_t text_bytes = key.length + caller->scope.tenant_id.length + caller->scope.environment_id.length +
                        caller->user_id.length + caller->key_id.length;
    struct entry *entry = malloc(sizeof *entry + text_bytes);

    if (!entry)
        abort();
    char *end = entry->texts;

    entry->next = NULL;
    entry->hash = hash;
    entry->key = move_in(&end, key);
    atomic_init(&entry->used_at_us, 0);
    atomic_init(&entry->taken_at_us, 0);
    entry->caller = *caller;
    entry->caller.customer_id = text_none;
    entry->caller.scope.tenant_id = move_in(&end, caller->scope.tenant_id);
    entry->caller.scope.environment_id = move_in(&end, caller->scope.environment_id);
    entry->caller.user_id = move_in(&end, caller->user_id);
    entry->caller.key_id = move_in(&end, caller->key_id);
    return entry;
}

/* The link that points to the entry, or to the end of its chain. */
static struct entry **link_of(struct caller_table *table, uint64_t hash, struct text key)
{
    struct entry **link = &table->buckets[bucket_of(hash, table->bucket_count)];

    while (*link && ((*link)->hash != hash || !text_equal((*link)->key, key)))
        link = &(*link)->next;
    return link;
}

static void unlink_entry(struct caller_table *table, struct entry **link)
{
    struct entry *entry = *link;

    *link = entry->next;
    table->entry_count--;
    free(entry);
}

static void grow(struct caller_table *table)
{
    struct entry **old = table->buckets;
    size_t old_count = table->bucket_count;

    table->bucket_count *= 2;
    table->buckets = new_buckets(table->bucket_count);
    for (size_t i = 0; i < old_count; i++)
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            struct entry **bucket = &table->buckets[bucket_of(entry->hash, table->bucket_count)];

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    free(old);
}

/* The uses of an entry that gives way to another one under the same key. */
static void keep_uses(struct entry *to, const struct entry *from)
{
    atomic_store(&to->used_at_us, atomic_load(&from->used_at_us));
    atomic_store(&to->taken_at_us, atomic_load(&from->taken_at_us));
}

void caller_table_put(struct caller_table *table, struct text key, const struct caller *caller)
{
    uint64_t hash = hash_of(key);
    struct entry *entry = new_entry(hash, key, caller);

    assert(table->magic == CALLER_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **link = link_of(table, hash, key);

    if (*link) {
        keep_uses(entry, *link);
        unlink_entry(table, link);
    }
    if (table->entry_count >= table->bucket_count)
        grow(table);
    link = &table->buckets[bucket_of(hash, table->bucket_count)];
    entry->next = *link;
    *link = entry;
    table->entry_count++;
    pthread_rwlock_unlock(&table->lock);
}

void caller_table_remove(struct caller_table *table, struct text key)
{
    assert(table->magic == CALLER_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **link = link_of(table, hash_of(key), key);

    if (*link)
        unlink_entry(table, link);
    pthread_rwlock_unlock(&table->lock);
}

void caller_table_remove_key_id(struct caller_table *table, struct text key_id)
{
    assert(table->magic == CALLER_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry **link = &table->buckets[i]; *link;)
            if (text_equal((*link)->caller.key_id, key_id))
                unlink_entry(table, link);
            else
                link = &(*link)->next;
    pthread_rwlock_unlock(&table->lock);
}

void caller_table_swap(struct caller_table *table, struct caller_table *other)
{
    assert(table->magic == CALLER_TABLE_MAGIC && other->magic == CALLER_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **buckets = table->buckets;
    size_t bucket_count = table->bucket_count, entry_count = table->entry_count;

    for (size_t i = 0; i < bucket_count; i++)
        for (const struct entry *entry = buckets[i]; entry; entry = entry->next) {
            struct entry *successor = *link_of(other, hash_of(entry->key), entry->key);

            if (successor)
                keep_uses(successor, entry);
        }
    table->buckets = other->buckets;
    table->bucket_count = other->bucket_count;
    table->entry_count = other->entry_count;
    other->buckets = buckets;
    other->bucket_count = bucket_count;
    other->entry_count = entry_count;
    pthread_rwlock_unlock(&table->lock);
}

static struct entry *find_locked(struct caller_table *table, struct text key, struct arena *arena,
                                 struct caller *caller)
{
    assert(table->magic == CALLER_TABLE_MAGIC);
    pthread_rwlock_rdlock(&table->lock);
    struct entry *entry = *link_of(table, hash_of(key), key);

    if (entry)
        copy_caller(arena, caller, &entry->caller);
    return entry;
}

bool caller_table_find(struct caller_table *table, struct text key, struct arena *arena,
                       struct caller *caller)
{
    bool is_found = find_locked(table, key, arena, caller) != NULL;

    pthread_rwlock_unlock(&table->lock);
    return is_found;
}

bool caller_table_use(struct caller_table *table, struct text key, int64_t now_us, struct arena *arena,
                      struct caller *caller)
{
    struct entry *entry = find_locked(table, key, arena, caller);

    if (entry &&
        now_us - atomic_load_explicit(&entry->used_at_us, memory_order_relaxed) >= CALLER_TABLE_USE_STEP_US) {
        atomic_store_explicit(&entry->used_at_us, now_us, memory_order_relaxed);
        atomic_store(&table->has_uses, true);
    }
    pthread_rwlock_unlock(&table->lock);
    return entry != NULL;
}

bool caller_table_has_uses(const struct caller_table *table)
{
    return atomic_load(&table->has_uses);
}

size_t caller_table_take_uses(struct caller_table *table, struct caller_use *uses, size_t max,
                              struct arena *arena)
{
    size_t count = 0;

    assert(table->magic == CALLER_TABLE_MAGIC);
    atomic_store(&table->has_uses, false); /* before anything is read: what comes meanwhile is told again */
    pthread_rwlock_rdlock(&table->lock);
    for (size_t i = 0; i < table->bucket_count && count < max; i++)
        for (struct entry *entry = table->buckets[i]; entry && count < max; entry = entry->next) {
            int64_t used_at_us = atomic_load(&entry->used_at_us);

            if (used_at_us == atomic_exchange(&entry->taken_at_us, used_at_us))
                continue;
            uses[count++] = (struct caller_use){.key_id = arena_copy(arena, entry->caller.key_id),
                                                .scope = entry->caller.scope.number,
                                                .used_at_us = used_at_us};
        }
    pthread_rwlock_unlock(&table->lock);
    if (count == max)
        atomic_store(&table->has_uses, true);
    return count;
}
