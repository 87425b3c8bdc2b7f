/* run.h: what the files of a copy that is under way share. Only for store/copy. */
#ifndef FARTHING_STORE_COPY_RUN_H
#define FARTHING_STORE_COPY_RUN_H

#include "store/copy/copy.h"
#include "store/copy/digest_map.h"
#include "store/copy/row_hash.h"
#include "store/copy/side.h"

enum {
    CHUNK_ROWS_MAX = 10000,             /* in one transaction */
    CHUNK_BYTES_MAX = 16 * 1024 * 1024, /* the same, of their texts */
};

struct side {
    const struct copy_engine *engine;
    struct connection *connection;
    struct copy_found found;
    struct arena chunk; /* of rows that were read */
};

/* How far a table is: where the last copied row is in the source. */
struct progress {
    struct text table;
    int64_t number; /* its place, its scope, or the number that is its key */
    struct text id;
    int64_t row_count, is_done;
};

/* A table of one side that is read from end to end. */
struct scan {
    struct row_hash hash;
    int64_t row_count;
    struct digest_map digests; /* of its rows; only of a target that is to catch up */
};

struct copy {
    const struct store_copy_request *request;
    struct store_copy_result *result;
    struct arena *arena; /* for what is kept to the end */
    struct text *reason;
    struct side source, target;
    const struct entity *rows[COPIED_TABLE_COUNT];
    struct progress progress[COPIED_TABLE_COUNT];
    struct scan before[COPIED_TABLE_COUNT]; /* the target, before it catches up; then as it is */
    bool catches_up;                        /* all rows are there, as they were once */
    bool is_behind;                         /* not all are, and the source was written to since then */
    struct store_copy_state state;
};

#define IS_ANOTHER                                                                                           \
    "the copy in %.*s was begun from another source, or this one was written to since then; remove what is " \
    "there, "                                                                                                \
    "and copy anew"

/* ---- run.c: what goes wrong; each returns false ---- */

bool run_refuse(struct copy *copy, struct text reason);
bool run_cannot_read(struct copy *copy, const struct side *side);
bool run_cannot_write(struct copy *copy);
/* Says how far it is. */
void run_tell(struct copy *copy);

/* ---- run.c: rows ---- */

/* A statement of the connection, prepared once for a text of the program. NULL on a failure. */
struct statement *run_kept(struct connection *connection, const char *sql);
/* Before the first row of a table. */
struct progress run_beginning(size_t index);
/* The next chunk of the table that `rows` is of, in the side's arena. *is_last: there are no more behind it.
 * False on a failure, which is not told. */
bool run_read_chunk(struct side *side, const struct progress *after, struct copied_rows *rows, bool *is_last);
/* Goes on to the last row of a chunk; texts are copied into the arena. */
void run_step_to(struct progress *progress, const struct side *side, const struct copied_rows *rows,
                 struct arena *arena);

/* ---- compare.c ---- */

/* Reads a table of a side, and hands each row on with its digest, if `take` is not NULL. False on a failure,
 * which is not told. */
bool run_scan(struct copy *copy, struct side *side, size_t index, struct scan *scan,
              void (*take)(void *context, const struct entity *row, const void *record,
                           const uint8_t digest[SHA256_BYTES]),
              void *context);
void run_scan_free(struct scan *scan);
/* Whether they are of the same rows, into the result. */
void run_take_scans(struct store_copy_table *table, const struct scan *source, const struct scan *target);
void run_begin_comparing(struct copy *copy);
/* Both sides, each table, into the result. */
bool run_compare(struct copy *copy);

/* ---- note.c: what the target remembers ---- */

/* The first row is about the source, and is no table's: what identifies it, and the version of the schema. */
#define NOTE_OF_SOURCE ""

/* In the transaction that begins the copy: makes the note, and puts the indexes away. */
bool note_make(struct copy *copy, const struct progress *source);
/* In a transaction. */
bool note_move(struct copy *copy, const struct progress *progress);
/* False when it cannot be read; a row that is not there leaves what is in *progress. */
bool note_recall(struct copy *copy, struct text table, struct progress *progress);
/* Makes the indexes that are put away, if any. *count is how many they were. */
bool note_make_indexes(struct copy *copy, size_t *count);

/* ---- catch_up.c ---- */

/* Before the source is held still: reads the target. */
bool catch_up_prepare(struct copy *copy);
/* After: brings each row that differs over, in one transaction; the result then is as run_compare's. */
bool catch_up(struct copy *copy);

#endif
