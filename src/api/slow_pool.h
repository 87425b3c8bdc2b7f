/* slow_pool.h: a few threads for what takes a processor for milliseconds, or waits for the disk, and so must
 * hold up neither a loop nor a transaction: hashing a password. Only for the api room.
 *
 * The threads are started when they are needed first, so that a server that nobody logs in to has none. */
#ifndef FARTHING_API_SLOW_POOL_H
#define FARTHING_API_SLOW_POOL_H

#include <stdbool.h>

enum {
    SLOW_THREADS_MAX = 2, /* each needs the memory of a password's hash (access/password.h) */
    /* Jobs that wait; more are refused. With these in front, a job waits about a second. */
    SLOW_QUEUE_MAX = 64,
};

/* Embedded in the caller's own struct, which must live until `run` has handed it on. */
struct slow_job {
    struct slow_job *next;
    void (*run)(struct slow_job *job); /* on a thread of the pool; once, or never when the pool ends */
};

struct slow_pool;

struct slow_pool *slow_pool_new(void);
/* Waits for the jobs that run; those that wait are never run. NULL does nothing. */
void slow_pool_free(struct slow_pool *pool);

/* False when too many jobs wait: the job was not taken. Any thread. */
bool slow_pool_submit(struct slow_pool *pool, struct slow_job *job);

#endif
