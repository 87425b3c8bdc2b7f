#include "power_cut.h"

#include <assert.h>
#include <stdlib.h>

enum { SECTOR_BYTES = 512 };

const char *const loss_names[LOSSES] = {
    [LOSS_NONE] = "no loss",
    [LOSS_ALL] = "all unsynced lost",
    [LOSS_SOME] = "some unsynced lost",
    [LOSS_TORN] = "last write torn",
};

/* ---- chance ---- */

static uint64_t draw(uint64_t *state, uint64_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % limit;
}

/* ---- what happens ---- */

static const struct disk_event *pending_event(const struct power_cut *cut, size_t index)
{
    return &cut->journal->events[cut->pending[index]];
}

/* Files come and go in order, whatever becomes of what is in them. */
static bool is_of_directory(const struct disk_event *event)
{
    return event->kind == DISK_CREATE || event->kind == DISK_DELETE;
}

void power_cut_begin(struct power_cut *cut, const struct disk *disk, const struct disk_journal *journal)
{
    *cut = (struct power_cut){.journal = journal};
    disk_copy(&cut->safe, disk);
    cut->pending = calloc(journal->count + 1, sizeof *cut->pending);
    assert(cut->pending);
}

void power_cut_end(struct power_cut *cut)
{
    disk_free(&cut->safe);
    free(cut->pending);
    *cut = (struct power_cut){0};
}

/* The sync makes one file's writes safe, or, when it fails, has them forgotten; and where files are. */
static void end_pending(struct power_cut *cut, const struct disk_event *sync)
{
    size_t kept = 0;

    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct disk_event *event = pending_event(cut, i);

        if (event->name != sync->name && !is_of_directory(event))
            cut->pending[kept++] = cut->pending[i];
        else if (sync->kind == DISK_SYNC || is_of_directory(event))
            disk_do(&cut->safe, event, event->length);
        if (event->kind == DISK_DELETE) /* what was written to it before is gone along with it */
            while (kept > 0 && pending_event(cut, kept - 1)->name == event->name)
                kept--;
    }
    cut->pending_count = kept;
}

void power_cut_step(struct power_cut *cut)
{
    assert(cut->position < cut->journal->count);
    const struct disk_event *event = &cut->journal->events[cut->position];

    if (event->kind == DISK_SYNC || event->kind == DISK_SYNC_FAILED)
        end_pending(cut, event);
    else if (event->kind != DISK_ACKNOWLEDGED)
        cut->pending[cut->pending_count++] = cut->position;
    cut->position++;
}

/* ---- what is left ---- */

/* How much of a write is there when it ends at the end of one of its sectors, but not of the last one. */
static size_t torn_length(const struct disk_event *event, uint64_t *chance)
{
    size_t first = event->offset / SECTOR_BYTES + 1,
           count = event->length ? (event->offset + event->length - 1) / SECTOR_BYTES + 1 - first : 0;

    return count ? (first + draw(chance, count)) * SECTOR_BYTES - event->offset : 0;
}

static bool is_torn_last(const struct power_cut *cut)
{
    return cut->pending_count > 0 && pending_event(cut, cut->pending_count - 1)->kind == DISK_WRITE;
}

bool power_cut_differs(const struct power_cut *cut, enum loss loss)
{
    switch (loss) {
    case LOSS_NONE:
        return true;
    case LOSS_ALL:
        return cut->pending_count > 0;
    case LOSS_SOME:
        return cut->pending_count > 1;
    default:
        return is_torn_last(cut);
    }
}

/* The file that was written is there: it was made, if it had to be, and not removed since. `happened` is how
 * many of what happened to the directory is safe. */
static bool is_reachable(const struct power_cut *cut, size_t index, size_t happened)
{
    size_t number = 0;

    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct disk_event *event = pending_event(cut, i);
        bool is_before = i < index;

        if (!is_of_directory(event))
            continue;
        bool has_happened = number++ < happened;

        if (event->name == pending_event(cut, index)->name && is_before != has_happened)
            return false;
    }
    return true;
}

static size_t happen_to_directory(const struct power_cut *cut, uint64_t *chance, struct disk *disk)
{
    size_t count = 0, happened = 0;

    for (size_t i = 0; i < cut->pending_count; i++)
        count += is_of_directory(pending_event(cut, i));
    size_t happening = draw(chance, count + 1);

    for (size_t i = 0; i < cut->pending_count && happened < happening; i++)
        if (is_of_directory(pending_event(cut, i))) {
            disk_do(disk, pending_event(cut, i), 0);
            happened++;
        }
    return happened;
}

static void lose_some(const struct power_cut *cut, uint64_t *chance, struct disk *disk)
{
    size_t happened = happen_to_directory(cut, chance, disk), count = 0;
    size_t *order = calloc(cut->pending_count, sizeof *order);
    uint64_t kept_of_8 = 1 + draw(chance, 7);

    assert(order);
    for (size_t i = 0; i < cut->pending_count; i++)
        if (!is_of_directory(pending_event(cut, i)) && is_reachable(cut, i, happened) &&
            draw(chance, 8) < kept_of_8)
            order[count++] = i;
    for (size_t i = count; i > 0; i--) {
        size_t chosen = draw(chance, i), last = order[i - 1];
        const struct disk_event *event = pending_event(cut, order[chosen]);

        disk_do(disk, event, draw(chance, 4) == 0 ? torn_length(event, chance) : event->length);
        order[chosen] = last;
    }
    free(order);
}

void power_cut_disk(const struct power_cut *cut, enum loss loss, uint64_t seed, struct disk *disk)
{
    uint64_t chance = seed;

    disk_copy(disk, &cut->safe);
    if (loss == LOSS_SOME)
        lose_some(cut, &chance, disk);
    if (loss != LOSS_NONE && loss != LOSS_TORN)
        return;
    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct disk_event *event = pending_event(cut, i);
        bool is_torn = loss == LOSS_TORN && i + 1 == cut->pending_count;

        disk_do(disk, event, is_torn ? torn_length(event, &chance) : event->length);
    }
}
