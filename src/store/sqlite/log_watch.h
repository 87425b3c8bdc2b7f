/* log_watch.h: what keeps the write-ahead log from being short is counted and told: a read that does not end,
 * and a disk or a machine that takes long over a checkpoint. Only for the store. */
#ifndef FARTHING_STORE_SQLITE_LOG_WATCH_H
#define FARTHING_STORE_SQLITE_LOG_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_WATCH_COPY_MS_MAX = 500,  /* a step that writes wait for; the wait for readers is part of it */
    LOG_WATCH_SYNC_MS_MAX = 5000, /* a wait for the disk beside them */
    LOG_WATCH_SAY_MS = 60 * 1000, /* the same is said no more often */
};

enum log_trouble { LOG_HELD, LOG_COPY_SLOW, LOG_SYNC_SLOW, LOG_TROUBLES };

/* The writer's thread's; all zeros at first. */
struct log_watch {
    unsigned held_count;           /* as it was the last time */
    int64_t syncing_since_us;      /* 0: the disk is not waited for */
    bool is_sync_told;             /* of this wait */
    int64_t said_us[LOG_TROUBLES]; /* when a line was written last; 0: never */
};

/* What there is to be seen after a step of the checkpoint. Instants are monotonic. */
struct log_state {
    int64_t now_us;
    int64_t step_us;            /* what the step has taken */
    bool is_syncing;            /* it goes on: the disk is waited for, beside the writer */
    unsigned held_count;        /* how often the log could not begin anew for a reader, so far */
    int64_t pages;              /* of the log */
    int64_t oldest_snapshot_us; /* the age of the oldest reader's snapshot; 0: there is none */
};

/* Counts (metrics.h) and writes a line for what is wrong in that state. */
void log_watch_look(struct log_watch *watch, const struct log_state *state);

#endif
