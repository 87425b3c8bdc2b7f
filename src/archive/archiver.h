/* archiver.h: the continuous backup of an embedded database: while a server runs, everything that is
 * committed goes to another place (destination.h) within a moment, so that the database can be had again as
 * it was at any second (rebuild.h).
 *
 * Two threads of low priority do it. One takes what was committed out of the write-ahead log
 * (store/follower.h), twice a second by default, and stores it as a segment. The other copies the whole
 * database now and then as a base, from which a restoration begins, and removes what is older than anybody
 * wants to go back. Nothing here is ever waited for by a commit: when the place cannot be reached, what is
 * committed is kept here, up to a limit, and the log and the metrics say so; beyond it a new stream begins
 * with a new base. */
#ifndef FARTHING_ARCHIVE_ARCHIVER_H
#define FARTHING_ARCHIVE_ARCHIVER_H

#include "archive/destination.h"
#include "store/store.h"

struct archiver_options {
    struct destination_options destination;
    struct text data_directory, database_path, secrets_path;
    int64_t interval_us;           /* between two segments, when there is something */
    int64_t base_interval_us;      /* between two bases */
    int64_t retention_us;          /* how far one can go back at least */
    int64_t base_bytes_per_second; /* how fast a base is copied */
    int64_t kept_bytes_max;        /* of what could not be stored yet */
};

struct archiver;

/* Looks where it left off; the texts are copied. NULL with a one-line reason: the place cannot be used at
 * all. */
struct archiver *archiver_new(const struct archiver_options *options, struct arena *arena,
                              struct text *reason);
/* For store_options.follower. */
struct follower *archiver_follower(const struct archiver *archiver);
/* Begins, with the store that was opened with the follower; `installation_id` tells one installation's
 * backups from another's. */
void archiver_start(struct archiver *archiver, struct store *store, struct text installation_id);
/* Before the store is closed: no base is made any more. */
void archiver_leave_store(struct archiver *archiver);
/* After the store was closed: stores what was committed last, unless that takes more than some seconds, and
 * frees it. Also of one that was never started. */
void archiver_finish(struct archiver *archiver);

#endif
