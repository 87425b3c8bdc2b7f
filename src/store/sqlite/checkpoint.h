/* checkpoint.h: copies the write-ahead log back into the database, in steps between which commits go on. Only
 * for the store.
 *
 * SQLite's own checkpoint copies pages and then waits for the disk, and because all of it has to happen on
 * the writer's thread (sqlite.h), every commit would wait along: tens of milliseconds each time. Here only
 * the copying, into the system's cache, is the writer's; another thread waits for the disk. Until it has, a
 * read transaction (the guard) keeps SQLite from beginning the log anew, so that after a power cut the log
 * still holds whatever the database may lack. What was committed meanwhile is copied in a next, shorter step;
 * when little is left, the last step is SQLite's own, and the log begins anew. */
#ifndef FARTHING_STORE_SQLITE_CHECKPOINT_H
#define FARTHING_STORE_SQLITE_CHECKPOINT_H

#include "store/sqlite/sqlite.h"

enum {
    CHECKPOINT_STEPS_MAX = 4,         /* before the last one, however much is left then */
    CHECKPOINT_LAST_STEP_PAGES = 256, /* this many pages are copied and waited for at once */
    CHECKPOINT_SYNC_WINDOW_BYTES =
        8 * 1024 * 1024, /* what is written out at a time, so that the log's writes get through */
};

struct checkpointer;
struct followers;

/* For the writer's connection to the file at `path`, whose log `followers`, borrowed, follow.
 * NULL and a reason on failure. */
struct checkpointer *checkpointer_new(struct connection *writer, struct text path,
                                      const struct followers *followers, struct arena *arena,
                                      struct text *reason);

/* Does what is due; on the writer's thread, outside a transaction. `idle`: nothing was written for a while.
 */
void checkpointer_step(struct checkpointer *checkpointer, bool idle);

/* The log is to be emptied, because it still has what was to be forgotten: with the next steps, as soon as no
 * reader needs it. On the writer's thread. */
void checkpointer_empty_log(struct checkpointer *checkpointer);

/* Looks for the database's files, unless it has done so within STORE_FILES_CHECK_MS. On the writer's thread.
 */
void checkpointer_check_files(struct checkpointer *checkpointer);
/* The database's file, to be read from: opening and closing it would drop SQLite's locks on it. */
int checkpointer_database(const struct checkpointer *checkpointer);
/* STORE_WELL, or what has happened to the database that only a restart can mend: STORE_SYNC_FAILED or
 * STORE_DATABASE_REMOVED. From then on nothing is copied any more, except from a log that has lost its name
 * to the database that it belongs to. */
enum store_state checkpointer_state(const struct checkpointer *checkpointer);

/* Whether the other thread waits for the disk. */
bool checkpointer_is_syncing(const struct checkpointer *checkpointer);

/* Waits for the disk, and closes the writer's connection, which copies the rest, when there is where to;
 * frees the checkpointer. */
void checkpointer_close(struct checkpointer *checkpointer);

#endif
