/* pool.h: memory that goes round, and bytes on their way in or out. Only for the http room. A pool belongs to
 * one loop and is touched by its thread alone, except what is marked. */
#ifndef FARTHING_HTTP_POOL_H
#define FARTHING_HTTP_POOL_H

#include "base/memory_account.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A counter that one thread writes and any may read. */
static inline void http_count(_Atomic uint64_t *counter, int64_t change)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + (uint64_t)change,
                          memory_order_relaxed);
}

/* Blocks of one size; the last one given back is the first one taken, because it is still in the cache. */
struct http_pool {
    struct http_pool_block *free;
    size_t block_bytes;
    unsigned kept, kept_max;
    unsigned spare;                 /* of those kept, how many nobody has needed since the last
                                       http_pool_shrink */
    size_t freed_bytes;             /* given back to the allocator since somebody last cleared this */
    struct memory_account *account; /* where those http_bytes count that one block is too small for; NULL:
                                       nowhere */
};

void http_pool_init(struct http_pool *pool, size_t block_bytes, unsigned kept_max);
/* Frees the kept blocks. Those that are out are their holders' business. */
void http_pool_free(struct http_pool *pool);
void *http_pool_take(struct http_pool *pool);
void http_pool_give(struct http_pool *pool, void *memory);
/* Frees kept blocks that nobody has needed since the last call; `kept_min` stay in any case. Called once in a
 * while: what a peak has left behind goes, what is in use all the time stays. */
void http_pool_shrink(struct http_pool *pool, unsigned kept_min);

/* Bytes on their way in or out: those from `start` to `end` are of interest. Memory is held only while there
 * are some: a block of the loop's buffer pool, or an own allocation when that is too small. */
struct http_bytes {
    char *data;
    size_t start, end, capacity;
};

static inline size_t http_bytes_length(const struct http_bytes *bytes)
{
    return bytes->end - bytes->start;
}

/* Makes room for at least `more` bytes at the end, and not for many more: who adds little by little asks for
 * as much again as there is. The bytes may move. */
void http_bytes_reserve(struct http_bytes *bytes, struct http_pool *pool, size_t more);
/* Gives the memory back and forgets the bytes. */
void http_bytes_release(struct http_bytes *bytes, struct http_pool *pool);
/* Forgets the first `count` bytes; gives the memory back when none are left. */
void http_bytes_consume(struct http_bytes *bytes, struct http_pool *pool, size_t count);

#endif
