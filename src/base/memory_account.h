/* memory_account.h: how much memory many pieces of work that come and go have together, so that new ones can
 * be refused before it is too much. Whoever takes memory says so, and says so again when it is given back;
 * any thread may. */
#ifndef FARTHING_BASE_MEMORY_ACCOUNT_H
#define FARTHING_BASE_MEMORY_ACCOUNT_H

#include "base/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_account {
    _Atomic uint64_t used_bytes;
    uint64_t bytes_max; /* what all should have together; set once, before there are several threads */
};

static inline void memory_account_take(struct memory_account *account, size_t bytes)
{
    atomic_fetch_add_explicit(&account->used_bytes, bytes, memory_order_relaxed);
}

static inline void memory_account_give(struct memory_account *account, size_t bytes)
{
    atomic_fetch_sub_explicit(&account->used_bytes, bytes, memory_order_relaxed);
}

static inline uint64_t memory_account_used(const struct memory_account *account)
{
    return atomic_load_explicit(&account->used_bytes, memory_order_relaxed);
}

/* Whether there is room for `more` bytes; never while the process is short of memory. Two that ask at the
 * same moment may both be told yes. */
static inline bool memory_account_has_room(const struct memory_account *account, size_t more)
{
    return memory_account_used(account) + more <= account->bytes_max && !memory_is_short();
}

#endif
