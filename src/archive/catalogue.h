/* catalogue.h: which bases a place holds. Only for the archive room. */
#ifndef FARTHING_ARCHIVE_CATALOGUE_H
#define FARTHING_ARCHIVE_CATALOGUE_H

#include "archive/destination.h"
#include "archive/layout.h"

struct catalogue {
    struct text *streams; /* from the oldest on */
    size_t stream_count, stream_capacity;
    struct base *bases; /* those that are whole, as their names have them, by their instants */
    size_t base_count, base_capacity;
};

/* Everything in it is the arena's. False with a failure. */
bool catalogue_read(struct catalogue *catalogue, struct destination *destination, struct arena *arena,
                    struct destination_failure *failure);

#endif
