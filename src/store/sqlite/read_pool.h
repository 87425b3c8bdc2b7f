/* read_pool.h: reads that may take long, on threads of their own, so that nobody waits behind them but their
 * like. Only for the store. */
#ifndef FARTHING_STORE_SQLITE_READ_POOL_H
#define FARTHING_STORE_SQLITE_READ_POOL_H

#include "store/store.h"

enum {
    READ_POOL_THREADS_MAX = 2,
    READ_POOL_IDLE_MS = 10 * 1000,  /* then a thread gives its connection and its cache back */
    READ_POOL_NICE = 10,            /* whoever waits for a single row goes first */
    READ_POOL_LIMIT_MS = 10 * 1000, /* of one command; then it fails, for the reason `timeout` */
};

struct read_pool;

/* Starts no thread before there is something to read. */
struct read_pool *read_pool_new(struct store *store);
/* Refuses what waits, interrupts what runs, and frees the pool: when this is called, the requests were
 * drained, or cut. */
void read_pool_free(struct read_pool *pool);

/* Runs the command once, in a snapshot of its own that holds every write acknowledged so far. As
 * store_submit_slow_read. Any thread. */
enum store_verdict read_pool_submit(struct read_pool *pool, struct store_command *command);

#endif
