/* backup.h: a copy of the database, made while everything goes on. Only for the store.
 *
 * The pages are copied by the writer's thread, some between two batches, through SQLite's online backup on
 * the writer's own connection: what is committed meanwhile goes into the copy as well, so that no snapshot is
 * held and the write-ahead log stays short. Everything that waits for a disk (writing the copy out, syncing
 * it, reading it again for its hash) is done by a thread of its own, of low priority. */
#ifndef FARTHING_STORE_SQLITE_BACKUP_H
#define FARTHING_STORE_SQLITE_BACKUP_H

#include "store/sqlite/sqlite.h"

enum {
    BACKUP_STEP_PAGES = 32,              /* 128 KiB: some 0.2 ms of the writer */
    BACKUP_TURN_US = 1000,               /* how long the writer goes on with it, when others may wait */
    BACKUP_SYNC_BYTES = 4 * 1024 * 1024, /* what is copied before it is written out */
};

struct backup;

/* Begins to copy into the file at `path`, which must not exist; it is there under that name when the backup
 * is done. NULL and a one-line reason when it cannot be made. */
struct backup *backup_start(struct text path, int64_t bytes_per_second, struct arena *arena,
                            struct text *reason);

/* Goes on with it, if it is time: on the writer's thread, outside a transaction. The (monotonic) time at
 * which it is to be called again; INT64_MAX: there is nothing left to copy. */
int64_t backup_step(struct backup *backup, struct connection *writer);

/* How far it is. Any thread. */
void backup_tell(struct backup *backup, struct store_backup *told, struct arena *arena);

/* Gives up what is not done, removes the unfinished file, and frees it. The writer's thread has ended, or
 * does not know of it any more; `writer` is its connection, still open. */
void backup_free(struct backup *backup);

#endif
