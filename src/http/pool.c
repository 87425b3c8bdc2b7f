#include "http/internal.h"

#include "base/memory.h"

#include <stdlib.h>

struct http_pool_block {
    struct http_pool_block *next;
};

void http_pool_init(struct http_pool *pool, size_t block_bytes, unsigned kept_max)
{
    assert(block_bytes >= sizeof(struct http_pool_block));
    *pool = (struct http_pool){.block_bytes = block_bytes, .kept_max = HTTP_POOLS_KEEP_MEMORY ? kept_max : 0};
}

void http_pool_free(struct http_pool *pool)
{
    while (pool->free) {
        struct http_pool_block *block = pool->free;

        pool->free = block->next;
        free(block);
    }
    pool->kept = pool->spare = 0;
}

void *http_pool_take(struct http_pool *pool)
{
    struct http_pool_block *block = pool->free;

    if (!block)
        return memory_take(pool->block_bytes);
    pool->free = block->next;
    if (--pool->kept < pool->spare)
        pool->spare = pool->kept;
    return block;
}

void http_pool_give(struct http_pool *pool, void *memory)
{
    struct http_pool_block *block = memory;

    if (pool->kept >= pool->kept_max) {
        free(block);
        pool->freed_bytes += pool->block_bytes;
        return;
    }
    block->next = pool->free;
    pool->free = block;
    pool->kept++;
}

void http_pool_shrink(struct http_pool *pool, unsigned kept_min)
{
    for (; pool->spare && pool->kept > kept_min; pool->spare--) {
        struct http_pool_block *block = pool->free;

        pool->free = block->next;
        pool->kept--;
        free(block);
        pool->freed_bytes += pool->block_bytes;
    }
    pool->spare = pool->kept;
}

/* Each connection may have a block; only what is beyond it counts, or strangers with a byte each would use up
 * what others need. */
static size_t counted(const struct http_pool *pool, size_t capacity)
{
    return pool->account && capacity > pool->block_bytes ? capacity : 0;
}

static void note(struct http_pool *pool, size_t freed, size_t taken)
{
    size_t more = counted(pool, taken), less = counted(pool, freed);

    if (more)
        memory_account_take(pool->account, more);
    if (less)
        memory_account_give(pool->account, less);
}

static void free_memory(struct http_bytes *bytes, struct http_pool *pool)
{
    note(pool, bytes->capacity, 0);
    if (bytes->capacity == pool->block_bytes) {
        http_pool_give(pool, bytes->data);
        return;
    }
    free(bytes->data);
    pool->freed_bytes += bytes->capacity;
}

/* A larger allocation of its own. The system moves pages instead of copying when there are many. */
static void enlarge(struct http_bytes *bytes, size_t capacity)
{
    memmove(bytes->data, bytes->data + bytes->start, http_bytes_length(bytes));
    bytes->end -= bytes->start;
    bytes->start = 0;
    bytes->data = memory_resize(bytes->data, capacity);
    bytes->capacity = capacity;
}

/* Moves the bytes of interest to larger memory. */
static void move_to(struct http_bytes *bytes, struct http_pool *pool, size_t capacity)
{
    struct http_bytes moved = {.capacity = capacity, .end = http_bytes_length(bytes)};

    assert(capacity >= pool->block_bytes);
    if (bytes->capacity > pool->block_bytes) {
        note(pool, bytes->capacity, capacity);
        enlarge(bytes, capacity);
        return;
    }
    note(pool, 0, capacity);
    moved.data = capacity == pool->block_bytes ? http_pool_take(pool) : memory_take(capacity);
    if (bytes->data) {
        memcpy(moved.data, bytes->data + bytes->start, moved.end);
        free_memory(bytes, pool);
    }
    *bytes = moved;
}

void http_bytes_reserve(struct http_bytes *bytes, struct http_pool *pool, size_t more)
{
    size_t length = http_bytes_length(bytes);

    if (bytes->capacity - bytes->end >= more)
        return;
    if (bytes->capacity - length >= more) {
        memmove(bytes->data, bytes->data + bytes->start, length);
        bytes->start = 0;
        bytes->end = length;
        return;
    }
    size_t needed;

    if (__builtin_add_overflow(length, more, &needed))
        abort();
    move_to(bytes, pool, needed > pool->block_bytes ? needed : pool->block_bytes);
}

void http_bytes_release(struct http_bytes *bytes, struct http_pool *pool)
{
    if (bytes->data)
        free_memory(bytes, pool);
    *bytes = (struct http_bytes){0};
}

void http_bytes_consume(struct http_bytes *bytes, struct http_pool *pool, size_t count)
{
    assert(count <= http_bytes_length(bytes));
    bytes->start += count;
    if (bytes->start == bytes->end)
        http_bytes_release(bytes, pool);
}
