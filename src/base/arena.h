/* arena.h: memory that lives as long as one piece of work (a request, a command) and is emptied at once.
 *
 * Allocate freely, never free: arena_reset empties the arena and keeps its first block for the next use.
 * Running out of memory ends the process (an allocation that small never fails while the machine is usable).
 */
#ifndef FARTHING_BASE_ARENA_H
#define FARTHING_BASE_ARENA_H

#include "base/memory_account.h"
#include "base/text.h"

struct arena_block;

struct arena {
    struct arena_block *block; /* the newest block; allocation happens here */
    size_t used_bytes;         /* of the newest block */
    size_t total_bytes;        /* handed out since the last reset */
    /* Where blocks beyond the first one count; NULL: nowhere. Set by the owner of an empty arena. */
    struct memory_account *account;
    size_t counted_bytes; /* there */
};

/* An empty arena holds no memory until it is first used. */
void arena_init(struct arena *arena);
/* Empties the arena; what was allocated is gone. Keeps at most one block of the usual size, and the account.
 */
void arena_reset(struct arena *arena);
/* Frees all memory. The arena may be used again afterwards, without an account. */
void arena_free(struct arena *arena);

/* `size` bytes, aligned for any type, not cleared. Never NULL. */
void *arena_allocate(struct arena *arena, size_t size);
/* The same, cleared to zero. */
void *arena_allocate_zero(struct arena *arena, size_t size);
/* A copy of `text` in the arena (an unset text stays unset). */
struct text arena_copy(struct arena *arena, struct text text);
/* A text made as printf does. */
struct text arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The texts one behind the other. For large ones, which printf goes through byte by byte. */
struct text arena_join(struct arena *arena, const struct text *texts, size_t count);
/* A list for a person, "a, b", with one name more; an empty list becomes the name. */
struct text arena_list_add(struct arena *arena, struct text list, struct text name);
/* A NUL-terminated copy. */
char *arena_string(struct arena *arena, struct text text);

#define ARENA_NEW(arena, type)          ((type *)arena_allocate_zero((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_allocate_zero((arena), sizeof(type) * (count)))

#endif
