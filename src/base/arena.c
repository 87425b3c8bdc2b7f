#include "base/arena.h"

#include "base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES = 16 * 1024 };

struct arena_block {
    struct arena_block *previous;
    size_t size_bytes; /* of `bytes` */
    alignas(max_align_t) char bytes[];
};

static struct arena_block *new_block(struct arena_block *previous, size_t size_bytes)
{
    struct arena_block *block = memory_take(sizeof(struct arena_block) + size_bytes);

    block->previous = previous;
    block->size_bytes = size_bytes;
    return block;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

/* The first block of the usual size is everybody's, and would only be in the way of counting. */
static void count_block(struct arena *arena, size_t block_bytes)
{
    if (!arena->account || (!arena->block && block_bytes == ARENA_BLOCK_BYTES))
        return;
    memory_account_take(arena->account, block_bytes);
    arena->counted_bytes += block_bytes;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL;

    for (struct arena_block *block = arena->block, *previous; block; block = previous) {
        previous = block->previous;
        if (!kept && block->size_bytes == ARENA_BLOCK_BYTES)
            kept = block;
        else
            free(block);
    }
    if (kept)
        kept->previous = NULL;
    if (arena->account)
        memory_account_give(arena->account, arena->counted_bytes);
    *arena = (struct arena){.block = kept, .account = arena->account};
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    free(arena->block);
    arena_init(arena);
}

void *arena_allocate(struct arena *arena, size_t size)
{
    size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    if (aligned < size)
        abort();
    if (!arena->block || arena->block->size_bytes - arena->used_bytes < aligned) {
        size_t block_bytes = aligned > ARENA_BLOCK_BYTES ? aligned : ARENA_BLOCK_BYTES;

        count_block(arena, block_bytes);
        arena->block = new_block(arena->block, block_bytes);
        arena->used_bytes = 0;
    }
    void *memory = arena->block->bytes + arena->used_bytes;

    arena->used_bytes += aligned;
    arena->total_bytes += aligned;
    return memory;
}

void *arena_allocate_zero(struct arena *arena, size_t size)
{
    return memset(arena_allocate(arena, size), 0, size);
}

struct text arena_copy(struct arena *arena, struct text text)
{
    if (!text.data)
        return text;
    if (text.length == 0)
        return text_empty;
    return (struct text){memcpy(arena_allocate(arena, text.length), text.data, text.length), text.length};
}

struct text arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;

    assert(format != NULL);
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);

    if (length < 0)
        abort();
    char *data = arena_allocate(arena, (size_t)length + 1);

    vsnprintf(data, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return (struct text){data, (size_t)length};
}

struct text arena_join(struct arena *arena, const struct text *texts, size_t count)
{
    size_t length = 0, done = 0;

    for (size_t i = 0; i < count; i++)
        length += texts[i].length;
    char *data = arena_allocate(arena, length + 1);

    for (size_t i = 0; i < count; done += texts[i++].length)
        if (texts[i].length)
            memcpy(data + done, texts[i].data, texts[i].length);
    return (struct text){data, length};
}

struct text arena_list_add(struct arena *arena, struct text list, struct text name)
{
    return list.length > 0 ? arena_format(arena, "%.*s, %.*s", TEXT_FORMAT(list), TEXT_FORMAT(name)) : name;
}

char *arena_string(struct arena *arena, struct text text)
{
    char *string = arena_allocate(arena, text.length + 1);

    if (text.length)
        memcpy(string, text.data, text.length);
    string[text.length] = '\0';
    return string;
}
