/* slow_pool.h: a few threads for what takes a processor for milliseconds, or waits for the disk, and so must
 * hold up neither a loop nor a transaction: hashing a password. Only for the api room.
 *
 * Work for a tenant (passwords of users whom it invites) and work for nobody known yet (logging in, signing
 * up) wait in queues of their own, from which the threads take in turn; of the former, each tenant may have a
 * few waiting. So whatever one tenant asks for, others log in after at most one job of it for each of theirs,
 * and others' invitations find room.
 *
 * The threads are started when they are needed first, so that a server that nobody logs in to has none. */
#ifndef FARTHING_API_SLOW_POOL_H
#define FARTHING_API_SLOW_POOL_H

#include "base/text.h"

#include <stdbool.h>

enum {
    SLOW_THREADS_MAX = 2, /* each needs the memory of a password's hash (access/password.h) */
    /* Jobs that wait in one of the queues; more are refused. With these in front, a job waits some seconds at
     * most. */
    SLOW_QUEUE_MAX = 64,
    SLOW_OWNER_MAX = 8, /* of these, jobs of one tenant */
};

/* Embedded in the caller's own struct, which must live until `run` has handed it on. */
struct slow_job {
    struct slow_job *next;
    void (*run)(struct slow_job *job); /* on a thread of the pool; once, or never when the pool ends */
    struct text owner;                 /* the id of the tenant that it is for; empty: of none yet */
};

enum slow_verdict {
    SLOW_TAKEN,
    SLOW_QUEUE_FULL,       /* too many jobs wait */
    SLOW_OWNER_HAS_ENOUGH, /* too many jobs of this tenant wait; others' are still taken */
};

struct slow_pool;

struct slow_pool *slow_pool_new(void);
/* Waits for the jobs that run; those that wait are never run. NULL does nothing. */
void slow_pool_free(struct slow_pool *pool);

/* Anything but SLOW_TAKEN: the job was not taken. Any thread. */
enum slow_verdict slow_pool_submit(struct slow_pool *pool, struct slow_job *job);

#endif
