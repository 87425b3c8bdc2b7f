/* power_cut.h: what a disk holds after a power cut amid what a journal tells: all that was synced, and of the
 * rest what the system happened to have written. */
#ifndef FARTHING_TESTS_FAULTS_POWER_CUT_H
#define FARTHING_TESTS_FAULTS_POWER_CUT_H

#include "disk.h"

#include <stdint.h>

/* What becomes of the writes that were not synced. */
enum loss {
    LOSS_NONE, /* all of them are there, as after the end of the process alone */
    LOSS_ALL,
    LOSS_SOME, /* any of them, in any order, and of some only the first sectors */
    LOSS_TORN, /* all are there, but of the last one only the first sectors */
    LOSSES
};
extern const char *const loss_names[LOSSES];

/* A place in a journal. */
struct power_cut {
    const struct disk_journal *journal;
    size_t position;  /* events that have happened */
    struct disk safe; /* what was synced */
    size_t *pending;  /* the events since, by their index */
    size_t pending_count;
};

/* Before the first event, with what the disk holds then. */
void power_cut_begin(struct power_cut *cut, const struct disk *disk, const struct disk_journal *journal);
/* One event happens. */
void power_cut_step(struct power_cut *cut);
void power_cut_end(struct power_cut *cut);

/* Whether this loss leaves another disk than LOSS_NONE and, but for itself, LOSS_ALL. */
bool power_cut_differs(const struct power_cut *cut, enum loss loss);
/* The disk after it; what is left to chance follows from `seed`. */
void power_cut_disk(const struct power_cut *cut, enum loss loss, uint64_t seed, struct disk *disk);

#endif
