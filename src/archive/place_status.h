/* place_status.h: what a place holds of a continuous backup, told without changing anything. */
#ifndef FARTHING_ARCHIVE_PLACE_STATUS_H
#define FARTHING_ARCHIVE_PLACE_STATUS_H

#include "archive/destination.h"

struct place_status {
    size_t bases;
    int64_t newest_base_at; /* 0: there is none */
    int64_t alive_at;       /* when a server last said that it writes there; 0: none does */
};

/* `scratch_path`: of a file that is made meanwhile. False with a one-line reason. */
bool place_status_read(struct destination *destination, const char *scratch_path, struct place_status *status,
                       struct arena *arena, struct text *reason);

#endif
