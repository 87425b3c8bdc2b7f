#include "archive/catalogue.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

struct reading {
    struct catalogue *catalogue;
    struct arena *arena;
};

/* A longer list in the arena with what the shorter one holds. */
static void *longer(struct arena *arena, const void *list, size_t count, size_t *capacity, size_t size)
{
    size_t room = *capacity ? 2 * *capacity : FIRST_CAPACITY;
    void *copy = arena_allocate(arena, room * size);

    if (count > 0)
        memcpy(copy, list, count * size);
    *capacity = room;
    return copy;
}

static bool note_stream(void *context, struct text name, uint64_t bytes)
{
    struct reading *reading = context;
    struct catalogue *catalogue = reading->catalogue;
    struct text stream;

    (void)bytes;
    if (!read_stream_name(name, &stream))
        return true;
    if (catalogue->stream_count == catalogue->stream_capacity)
        catalogue->streams = longer(reading->arena, catalogue->streams, catalogue->stream_count,
                                    &catalogue->stream_capacity, sizeof *catalogue->streams);
    catalogue->streams[catalogue->stream_count++] = arena_copy(reading->arena, stream);
    return true;
}

static bool note_base(void *context, struct text name, uint64_t bytes)
{
    struct reading *reading = context;
    struct catalogue *catalogue = reading->catalogue;
    struct base base;

    (void)bytes;
    if (!read_base_name(arena_copy(reading->arena, name), ".json", &base))
        return true;
    if (catalogue->base_count == catalogue->base_capacity)
        catalogue->bases = longer(reading->arena, catalogue->bases, catalogue->base_count,
                                  &catalogue->base_capacity, sizeof *catalogue->bases);
    catalogue->bases[catalogue->base_count++] = base;
    return true;
}

static int by_instant(const void *one, const void *other)
{
    const struct base *a = one, *b = other;

    return a->placed.instant < b->placed.instant ? -1 : a->placed.instant > b->placed.instant;
}

bool catalogue_read(struct catalogue *catalogue, struct destination *destination, struct arena *arena,
                    struct destination_failure *failure)
{
    struct reading reading = {catalogue, arena};

    *catalogue = (struct catalogue){.streams = NULL};
    if (!destination_list(destination, TEXT(STREAM_PREFIX), note_stream, &reading, failure))
        return false;
    for (size_t i = 0; i < catalogue->stream_count; i++)
        if (!destination_list(destination, base_prefix(catalogue->streams[i], arena), note_base, &reading,
                              failure))
            return false;
    if (catalogue->base_count > 0)
        qsort(catalogue->bases, catalogue->base_count, sizeof *catalogue->bases, by_instant);
    return true;
}
