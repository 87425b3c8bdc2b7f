/* sqlite.h: the SQLite driver. Only for the store.
 *
 * One writer connection commits and checkpoints; readers are read-only and never do either, because
 * SQLite 3.40.1 can corrupt a log that is reset by one connection while another commits
 * (docs/architecture.md). */
#ifndef FARTHING_STORE_SQLITE_SQLITE_H
#define FARTHING_STORE_SQLITE_SQLITE_H

#include "store/engine.h"

#include <sqlite3.h>

/* "Frth": marks a database as ours (PRAGMA application_id). */
enum { SQLITE_APPLICATION_ID = 0x46727468 };

/* Once, for all connections: whoever waits for the processor need not wait for a whole commit or checkpoint.
 */
void sqlite_offer_between_writes(void);
/* What the system said when this thread last wrote to a file of a database: an errno, or 0. SQLite keeps it
 * to itself. */
int sqlite_write_errno(void);

enum sqlite_mode {
    SQLITE_WRITER,
    SQLITE_READER,
    SQLITE_AT_REST, /* a reader of a file that nobody changes, and that has no log */
    SQLITE_SETTLER, /* copies the log back and does nothing else, whatever program made the database */
};

extern const struct engine sqlite_engine;

/* Opens a connection to the file at `path`. NULL and a reason on failure. */
struct connection *sqlite_connection_open(struct text path, enum sqlite_mode mode, struct arena *arena,
                                          struct text *reason);
void sqlite_connection_close(struct connection *connection);

/* The last error of the connection, as the caller is told it. */
const struct failure *sqlite_failure(struct connection *connection, struct arena *arena);

/* Runs statements that return no rows. False on a failure. */
bool sqlite_execute(struct connection *connection, const char *sql);
bool sqlite_pragma_integer(struct connection *connection, const char *name, int64_t *value);

/* Transactions. Each returns false on a failure, and then none is open. */
bool sqlite_begin_read(struct connection *connection);
bool sqlite_begin_write(struct connection *connection);
bool sqlite_commit(struct connection *connection);
void sqlite_rollback(struct connection *connection);
bool sqlite_savepoint(struct connection *connection);
bool sqlite_release(struct connection *connection);
bool sqlite_rollback_to(struct connection *connection);
/* Interrupts what runs when `limit` says so, which is asked every now and then; until then it offers the
 * processor to others. NULL: neither. */
void sqlite_limit(struct connection *connection, bool (*limit)(void *context), void *context);
/* Whether a transaction is open: some errors end it. */
bool sqlite_in_transaction(struct connection *connection);

/* Rows changed over the connection's life: tells whether a command has left anything behind. */
int64_t sqlite_changes(struct connection *connection);

/* Whether anything was committed since this was asked last. */
bool sqlite_has_committed(struct connection *connection);
/* Pages that the write-ahead log held after the last commit. */
int sqlite_wal_pages(const struct connection *connection);

/* Whether there was a log when the database was opened: somebody was killed before. Of a writer. */
bool sqlite_log_was_left(const struct connection *connection);
/* How often the log was to begin anew and could not, because a reader needs it. Of a writer. */
unsigned sqlite_log_held_count(const struct connection *connection);

/* What the disk has to do with the last error that was told (connection_failure); STORE_WELL again after the
 * next commit that has reached the disk: one that changed nothing proves nothing. Of a writer. */
enum store_state sqlite_trouble(const struct connection *connection);
/* Commits a page that holds what it held: whether the disk takes writes again. Errors are not told. */
void sqlite_try_write(struct connection *connection);

enum sqlite_checkpoint_mode {
    CHECKPOINT_WITHOUT_SYNC, /* into the system's cache only: the caller sees to the disk (checkpoint.h) */
    CHECKPOINT_WITH_SYNC,
    CHECKPOINT_AND_RESTART, /* also waits for readers, at most a second, so that the log begins anew */
    CHECKPOINT_AND_EMPTY,   /* the same, but not for so long, and the log's file is empty then, if
                             * sqlite_log_is_empty says so */
};

/* Copies the log back into the file, as far as readers let it. Returns how many pages of the log are copied
 * now, by this and earlier calls; 0 on a failure, which is logged. */
int sqlite_checkpoint(struct connection *connection, enum sqlite_checkpoint_mode mode);
bool sqlite_log_is_empty(const struct connection *connection);
/* Closing the connection is to leave the log as it is. */
void sqlite_keep_log(struct connection *connection);

/* Whether the last error was that the file is no database at all. */
bool sqlite_is_not_a_database(struct connection *connection);

/* Whether the file is empty or a database of ours that this program can read. If not, *reason says so, or
 * stays unset when the file could not be read: then the connection's error tells why. Changes nothing. */
bool sqlite_recognise(struct connection *connection, struct arena *arena, struct text *reason);
/* Whether it is the target of a copy that is not finished (store/copy/side.h). False on a failure. */
bool sqlite_is_unfinished(struct connection *connection, bool *is_unfinished);
/* As store_inspect. */
bool sqlite_inspect(struct text database_path, bool thorough, int *schema_version, struct arena *arena,
                    struct text *reason);
/* Brings a recognised database to the schema of this program, in one transaction: all of it or nothing.
 * Refuses an unfinished copy. */
bool sqlite_migrate(struct connection *connection, struct arena *arena, struct text *reason);
/* Does the same work, and rolls it back. */
bool sqlite_rehearse(struct connection *connection, struct arena *arena, struct text *reason);
/* As store_settle. */
bool sqlite_settle(struct text database_path, struct arena *arena, struct text *reason);

#endif
