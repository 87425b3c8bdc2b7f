/* memory.h: memory for what requests need, with a reserve for the moment when the system has none left.
 *
 * A server sets a part of its address space aside. When an allocation fails, that is given up, the allocation
 * made from it, and the process is short of memory: what is under way comes to its end, writes and what is
 * large are refused, until as much can be set aside again. Only when the reserve is used up as well does the
 * process end, which to the database is a power cut. Any thread. */
#ifndef FARTHING_BASE_MEMORY_H
#define FARTHING_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    MEMORY_RESERVE_BYTES =
        32 * 1024 * 1024,  /* of address space; no memory of the machine's while it is unused */
    MEMORY_RENEW_MS = 100, /* how often it is tried to set it aside again */
};

/* Sets the reserve aside, as far as there is any; once. Without it an allocation that fails ends the process.
 */
void memory_reserve(void);

/* Gives the reserve up, if it is there, after an allocation has failed: to be tried again then. */
void memory_use_reserve(void);

/* As malloc and realloc, but never NULL. */
void *memory_take(size_t bytes);
void *memory_resize(void *memory, size_t bytes);

extern atomic_bool memory_has_no_reserve;

/* Tries to set the reserve aside again. False when it cannot be, or was tried a moment ago. */
bool memory_renew_reserve(void);

/* Whether the process is short of memory. Cheap while it is not. */
static inline bool memory_is_short(void)
{
    return atomic_load_explicit(&memory_has_no_reserve, memory_order_relaxed) && !memory_renew_reserve();
}

#endif
