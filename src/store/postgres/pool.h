/* pool.h: the pool's state, for the files that share it. Only for the driver. */
#ifndef FARTHING_STORE_POSTGRES_POOL_H
#define FARTHING_STORE_POSTGRES_POOL_H

#include "store/fair_queue.h"
#include "store/postgres/handle.h"

#include <pthread.h>
#include <stdatomic.h>

enum work { WORK_READS, WORK_WRITES, WORKS };

struct worker {
    struct postgres *postgres;
    enum work work;
    struct postgres_connection *connection;
    bool has_session; /* guarded by the pool's mutex, as the next */
    bool is_busy, is_slow;
    pthread_t thread;
};

struct postgres {
    uint32_t magic;
    char *url, *name;
    struct worker *workers; /* the readers first */
    unsigned worker_count, reader_count;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t woken[WORKS];
    struct command_list queues[WORKS];
    struct command_list background; /* writes that let others go first */
    struct fair_queue slow;         /* reads that may take long */
    unsigned slow_count;            /* of those that are under way */
    bool took_slow;                 /* the last that was taken was one */
    unsigned session_counts[WORKS]; /* of the workers that have one */
    unsigned busy_counts[WORKS];    /* of the workers that are at work */
    unsigned idle_counts[WORKS];    /* of the workers that wait to be woken */
    bool is_waking[WORKS];          /* a worker was woken that has not come yet */
    int64_t taken_at_us[WORKS];     /* when the last batch was taken */

    atomic_bool stopping; /* set with the mutex held */

    struct postgres_error
        away_error; /* of the last attempt to connect that failed; guarded by the mutex, too */

    /* Of what the log was told; guarded by the mutex. */
    enum store_state told_state;
    struct log_limit told_limit;
    char state_error[ERROR_MESSAGE_BYTES];

    _Atomic(enum store_state) state;
    _Atomic int64_t away_since_us; /* since when no attempt to connect has succeeded; 0: it is there */

    /* listener.c */
    atomic_bool is_listening;
    _Atomic int64_t heard_at_us; /* when the listening session was last known to hear of every change */
    store_change_listener *listener;
    void *listener_context;
    pthread_t listener_thread, probe_thread;
    bool has_probe; /* the listening thread's */
    atomic_bool is_probing;
    _Atomic bool has_listener;
    int listener_wake[2]; /* a pipe: closed to end the thread */
};

/* Tells the log of the database's state, if it has changed and there was not much about it lately; otherwise
 * it is told later. */
void pool_tell_state(struct postgres *postgres);

/* Ends the listening thread, if there is one. */
void listener_stop(struct postgres *postgres);

#endif
