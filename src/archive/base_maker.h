/* base_maker.h: the part of the continuous backup that copies the whole database now and then, and removes
 * what is older than anybody wants to go back. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_BASE_MAKER_H
#define FARTHING_ARCHIVE_BASE_MAKER_H

#include "archive/archiver.h"
#include "archive/layout.h"

/* What a base is a base of, at an instant. */
struct open_segment {
    struct text stream; /* unset: there is none that could be written to */
    int64_t number;     /* of the segment that the next commit will be in, or a later one */
    int64_t last_base_at;
};

struct base_maker_options {
    struct archiver_options archiver; /* borrowed */
    struct store *store;
    struct archiver *owner;
    /* Any thread. The first writes into the arena. */
    struct open_segment (*open)(struct archiver *owner, struct arena *arena);
    void (*made)(struct archiver *owner, struct text stream, int64_t finished_at);
};

struct base_maker;

/* Starts its thread. */
struct base_maker *base_maker_start(const struct base_maker_options *options);
/* Gives up what is not done; NULL is allowed. */
void base_maker_end(struct base_maker *maker);

/* Removes what is not needed to go back to any instant from `oldest` on: bases before the newest one that is
 * that old, the segments that only they need, and streams of which nothing is left but the one that is being
 * written. False with a failure. */
bool archive_remove_old(struct destination *destination, struct text current_stream, int64_t oldest,
                        struct arena *arena, struct destination_failure *failure);

#endif
