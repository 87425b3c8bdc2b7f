/* backup.h: a copy of the database, made while everything goes on. Only for the store.
 *
 * A thread of low priority reads the database's file from its beginning to its end, while others change it,
 * and follows the log meanwhile (store/follower.h) for the numbers of the pages that are changed. Those it
 * reads again, in a second pass and as many more as make them few; then once more, while it takes from the
 * log not only which pages are changed but what is in them, and that goes over what was read. Whatever
 * changes the file came through the log, and the log begins anew only when all of it is in the file, so the
 * two together are the database as it was at the last look at the log. The writer has nothing to do with it
 * but to let the follower in and out and to have it begin the log again between two passes; no snapshot is
 * held, and the log stays short. */
#ifndef FARTHING_STORE_SQLITE_BACKUP_H
#define FARTHING_STORE_SQLITE_BACKUP_H

#include "store/follower.h"
#include "store/sqlite/sqlite.h"

enum {
    BACKUP_STEP_BYTES = 256 * 1024,            /* read and written at a time */
    BACKUP_SYNC_BYTES = 4 * 1024 * 1024,       /* what is copied before it is written out */
    BACKUP_LAST_PASS_BYTES = 64 * 1024 * 1024, /* so few changed pages are copied in the last pass */
    BACKUP_PASSES_MAX = 8,
    BACKUP_FOLLOW_MS = 200,                     /* between two looks at the log */
    BACKUP_POLL_MS = 20,                        /* of the writer, while there is a copy to be let in or out */
    BACKUP_KEPT_BYTES_MAX = 1024 * 1024 * 1024, /* of what is committed between two looks at the log */
};

struct backup;

/* What a copy is made of. */
struct backup_source {
    struct connection *writer;
    const char *path;            /* of the database */
    int database;                /* its file, open until the writer's connection is closed */
    struct followers *followers; /* who follow the writer's log */
};

/* Begins to copy into the file at `path`, which must not exist; it is there under that name when the backup
 * is done. NULL and a one-line reason when it cannot be made. */
struct backup *backup_start(struct text path, int64_t bytes_per_second, struct arena *arena,
                            struct text *reason);

/* Lets it follow the log, or leave it, as far as it has asked for that: on the writer's thread, outside a
 * transaction. The (monotonic) time at which it is to be called again; INT64_MAX: not any more. */
int64_t backup_step(struct backup *backup, const struct backup_source *source);

/* How far it is; whoever does not ask for that for STORE_BACKUP_LEASE_MS wants it no more. Any thread. */
void backup_tell(struct backup *backup, struct store_backup *told, struct arena *arena);

/* Has it fail, if that is its path and it is not done. Any thread. */
void backup_cancel(struct backup *backup, struct text path);

/* Gives up what is not done, removes the unfinished file, and frees it. On the writer's thread, or when that
 * has ended; the database's file is still open. */
void backup_free(struct backup *backup);

#endif
