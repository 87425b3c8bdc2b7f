/* lane.h: the store as its lanes see it. Only for the store. */
#ifndef FARTHING_STORE_LANE_H
#define FARTHING_STORE_LANE_H

#include "store/follower.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct writer;

struct store {
    uint32_t magic;
    struct postgres *postgres; /* NULL: the database is the embedded one, and the rest is for it */
    char *database_path;
    struct followers followers; /* of the log; the writer's thread's */
    struct writer *writer;
    struct read_pool *read_pool;
    /* Counts durable commits. Published before a command is answered; a reader whose snapshot is older renews
     * it. */
    atomic_uint_fast64_t commit_sequence;
    _Atomic(enum store_state) state;   /* set by the writer */
    uint64_t indexed_sequence;         /* the commit of the index's last step; the writer's thread's */
    atomic_bool has_unindexed;         /* rows whose searched fields have changed */
    atomic_int_least64_t index_due_us; /* when the index is looked at all the same: monotonic */
    pthread_mutex_t readers_mutex;     /* guards which readers there are */
    struct store_reader *readers;
};

/* As store_oldest_snapshot_us, of the embedded database. */
int64_t readers_oldest_snapshot_us(struct store *store);

/* Starts the writer's thread on its connection, which it then owns. NULL and a reason on failure. */
struct writer *writer_start(struct store *store, struct connection *connection, struct arena *arena,
                            struct text *reason);
/* False when the queue is full or the writer is stopping. */
bool writer_submit(struct writer *writer, struct store_command *command);
/* Has the writer copy the database, as store_backup_begin. Any thread. */
bool writer_back_up(struct writer *writer, struct text path, int64_t bytes_per_second, struct arena *arena,
                    struct text *reason);
void writer_tell_backup(struct writer *writer, struct store_backup *told, struct arena *arena);
void writer_cancel_backup(struct writer *writer, struct text path);
/* Lets the queue run empty, closes the connection and frees the writer. */
void writer_stop(struct writer *writer);

#endif
