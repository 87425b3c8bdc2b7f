/* key_table.c: chained buckets under one reader-writer lock: two atomic operations on a request of some
 * microseconds. */
#include "access/key_table.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TABLE_MAGIC = 0x4b455953, BUCKETS_FIRST = 64 };

struct entry {
    struct entry *next;
    uint8_t digest[SHA256_BYTES];
    struct caller caller;
    char texts[]; /* the caller's, one after the other: an arena of its own would be a hundred times larger */
};

struct key_table {
    uint32_t magic;
    pthread_rwlock_t lock;
    struct entry **buckets;
    size_t bucket_count, entry_count;
};

/* The digest is uniformly distributed already. */
static size_t bucket_of(const uint8_t digest[SHA256_BYTES], size_t bucket_count)
{
    uint64_t head;

    memcpy(&head, digest, sizeof head);
    return (size_t)head & (bucket_count - 1);
}

static struct entry **new_buckets(size_t count)
{
    struct entry **buckets = calloc(count, sizeof(struct entry *));

    if (!buckets)
        abort();
    return buckets;
}

struct key_table *key_table_new(void)
{
    struct key_table *table = calloc(1, sizeof *table);
    pthread_rwlockattr_t attributes;

    if (!table)
        abort();
    table->magic = KEY_TABLE_MAGIC;
    table->bucket_count = BUCKETS_FIRST;
    table->buckets = new_buckets(table->bucket_count);
    pthread_rwlockattr_init(&attributes);
    /* A revocation must not wait behind an endless stream of requests. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&table->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return table;
}

void key_table_free(struct key_table *table)
{
    assert(table->magic == KEY_TABLE_MAGIC);
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

static struct entry *new_entry(const uint8_t digest[SHA256_BYTES], const struct caller *caller)
{
    size_t text_bytes = caller->scope.tenant_id.length + caller->scope.environment_id.length +
                        caller->user_id.length + caller->key_id.length;
    struct entry *entry = malloc(sizeof *entry + text_bytes);

    if (!entry)
        abort();
    char *end = entry->texts;

    entry->next = NULL;
    memcpy(entry->digest, digest, SHA256_BYTES);
    entry->caller = *caller;
    entry->caller.scope.tenant_id = move_in(&end, caller->scope.tenant_id);
    entry->caller.scope.environment_id = move_in(&end, caller->scope.environment_id);
    entry->caller.user_id = move_in(&end, caller->user_id);
    entry->caller.key_id = move_in(&end, caller->key_id);
    return entry;
}

/* The link that points to the entry, or to the end of its chain. */
static struct entry **link_of(struct key_table *table, const uint8_t digest[SHA256_BYTES])
{
    struct entry **link = &table->buckets[bucket_of(digest, table->bucket_count)];

    while (*link && memcmp((*link)->digest, digest, SHA256_BYTES) != 0)
        link = &(*link)->next;
    return link;
}

static void unlink_entry(struct key_table *table, struct entry **link)
{
    struct entry *entry = *link;

    *link = entry->next;
    table->entry_count--;
    free(entry);
}

static void grow(struct key_table *table)
{
    struct entry **old = table->buckets;
    size_t old_count = table->bucket_count;

    table->bucket_count *= 2;
    table->buckets = new_buckets(table->bucket_count);
    for (size_t i = 0; i < old_count; i++)
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            struct entry **bucket = &table->buckets[bucket_of(entry->digest, table->bucket_count)];

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    free(old);
}

void key_table_put(struct key_table *table, const uint8_t digest[SHA256_BYTES], const struct caller *caller)
{
    struct entry *entry = new_entry(digest, caller);

    assert(table->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **link = link_of(table, digest);

    if (*link)
        unlink_entry(table, link);
    if (table->entry_count >= table->bucket_count)
        grow(table);
    link = &table->buckets[bucket_of(digest, table->bucket_count)];
    entry->next = *link;
    *link = entry;
    table->entry_count++;
    pthread_rwlock_unlock(&table->lock);
}

void key_table_remove(struct key_table *table, const uint8_t digest[SHA256_BYTES])
{
    assert(table->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **link = link_of(table, digest);

    if (*link)
        unlink_entry(table, link);
    pthread_rwlock_unlock(&table->lock);
}

void key_table_remove_id(struct key_table *table, struct text key_id)
{
    assert(table->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry **link = &table->buckets[i]; *link;)
            if (text_equal((*link)->caller.key_id, key_id))
                unlink_entry(table, link);
            else
                link = &(*link)->next;
    pthread_rwlock_unlock(&table->lock);
}

void key_table_swap(struct key_table *table, struct key_table *other)
{
    assert(table->magic == KEY_TABLE_MAGIC && other->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    struct entry **buckets = table->buckets;
    size_t bucket_count = table->bucket_count, entry_count = table->entry_count;

    table->buckets = other->buckets;
    table->bucket_count = other->bucket_count;
    table->entry_count = other->entry_count;
    other->buckets = buckets;
    other->bucket_count = bucket_count;
    other->entry_count = entry_count;
    pthread_rwlock_unlock(&table->lock);
}

void key_table_suspend(struct key_table *table, struct text tenant_id, bool is_suspended)
{
    assert(table->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_wrlock(&table->lock);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct entry *entry = table->buckets[i]; entry; entry = entry->next)
            if (text_equal(entry->caller.scope.tenant_id, tenant_id))
                entry->caller.is_tenant_suspended = is_suspended;
    pthread_rwlock_unlock(&table->lock);
}

bool key_table_find(struct key_table *table, const uint8_t digest[SHA256_BYTES], struct arena *arena,
                    struct caller *caller)
{
    assert(table->magic == KEY_TABLE_MAGIC);
    pthread_rwlock_rdlock(&table->lock);
    const struct entry *entry = *link_of(table, digest);

    if (entry)
        copy_caller(arena, caller, &entry->caller);
    pthread_rwlock_unlock(&table->lock);
    return entry != NULL;
}
