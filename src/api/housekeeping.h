/* housekeeping.h: what the server does by itself now and then, on a thread of its own: old rows are removed,
 * what is kept in memory is written down. Each job is one row of the table in housekeeping.c, and works in
 * small commands that let requests go first. Only for the api room. */
#ifndef FARTHING_API_HOUSEKEEPING_H
#define FARTHING_API_HOUSEKEEPING_H

#include "api/exchange.h"

struct housekeeping;

/* A step of a job: one command, of some milliseconds at most. */
struct housekeeping_step {
    struct api *api;
    int64_t now_us;    /* for what is removed for its age (base/settled_clock.h) */
    int64_t row_count; /* out: rows that were removed, made or brought up to date */
    bool is_more;      /* out: there is more to be done at once */
};

struct housekeeping_job {
    struct text name;
    enum metrics_job metric;
    int interval_ms;     /* from one step to the next, when there was no more to be done */
    int pause_ms;        /* the same when there was more; 0: a little */
    bool is_done_at_end; /* once more before the server ends */
    /* Whether there is anything to be done at all, by what is configured. NULL: always. */
    bool (*is_wanted)(const struct api *api);
    /* In the write lane. May be run again after a rollback, as any command. */
    const struct failure *(*run)(struct housekeeping_step *step, struct transaction *transaction);
};

/* Starts the thread; the first steps are due at once. */
struct housekeeping *housekeeping_start(struct api *api);
/* Waits for the step under way, and ends. */
void housekeeping_stop(struct housekeeping *housekeeping);

#endif
