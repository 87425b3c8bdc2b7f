#include "disk.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void reserve(struct disk_file *file, size_t size)
{
    if (size <= file->capacity)
        return;
    file->capacity = size > 2 * file->capacity ? size : 2 * file->capacity;
    file->bytes = must(realloc(file->bytes, file->capacity));
}

static void resize(struct disk_file *file, size_t size)
{
    reserve(file, size);
    if (size > file->size)
        memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

void disk_copy(struct disk *to, const struct disk *from)
{
    for (int name = 0; name < DISK_NAMES; name++) {
        const struct disk_file *source = &from->files[name];
        struct disk_file *target = &to->files[name];

        target->is_there = source->is_there;
        reserve(target, source->size);
        target->size = source->size;
        if (source->size)
            memcpy(target->bytes, source->bytes, source->size);
    }
}

void disk_free(struct disk *disk)
{
    for (int name = 0; name < DISK_NAMES; name++)
        free(disk->files[name].bytes);
    *disk = (struct disk){0};
}

void disk_do(struct disk *disk, const struct disk_event *event, size_t length)
{
    struct disk_file *file = &disk->files[event->name];

    switch (event->kind) {
    case DISK_CREATE:
        file->is_there = true;
        break;
    case DISK_WRITE:
        if (file->size < event->offset + length)
            resize(file, event->offset + length);
        if (length)
            memcpy(file->bytes + event->offset, event->bytes, length);
        break;
    case DISK_TRUNCATE:
        resize(file, event->offset);
        break;
    case DISK_DELETE:
        file->is_there = false;
        file->size = 0;
        break;
    case DISK_SYNC:
    case DISK_SYNC_FAILED:
    case DISK_ACKNOWLEDGED:
        break;
    }
}

void disk_journal_add(struct disk_journal *journal, const struct disk_event *event)
{
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity ? 2 * journal->capacity : 1024;
        journal->events = must(realloc(journal->events, journal->capacity * sizeof *journal->events));
    }
    struct disk_event *kept = &journal->events[journal->count++];

    *kept = *event;
    if (event->length) {
        kept->bytes = must(malloc(event->length));
        memcpy(kept->bytes, event->bytes, event->length);
    }
}

void disk_journal_free(struct disk_journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        free(journal->events[i].bytes);
    free(journal->events);
    *journal = (struct disk_journal){0};
}
