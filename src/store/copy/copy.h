/* copy.h: a whole database into another one, of the other engine or of the same. docs/copy.md tells what an
 * operator has to know of it.
 *
 * Rows go in chunks, each with a note of how far that is, in one transaction of the target: so a copy that
 * was interrupted, at whatever instant, goes on where it was. The note is a table (COPY_PROGRESS_TABLE); as
 * long as it is there, no server takes the target. Meanwhile the target has no indexes but those of its
 * keys: building one from all rows takes a fraction of what adding them one by one does; what makes them
 * stands in the note as well. At the end both sides are read again, and only when every
 * table has as many rows and the same hash on both (row_hash.h) is the note removed.
 *
 * Nothing is written to the source, by anybody, as long as this works: the directory of an embedded database
 * is locked by the caller; tables of PostgreSQL are locked here, so that servers go on to read and wait with
 * what they would write. To make that short, a copy may be made beforehand (`is_bulk`) of a source that goes
 * on: of a PostgreSQL database as it is at one moment, or of a backup. The next one catches up: it reads the
 * target before the source is held still, then the source, and brings over what differs. */
#ifndef FARTHING_STORE_COPY_COPY_H
#define FARTHING_STORE_COPY_COPY_H

#include "base/hash.h"
#include "store/store.h"

enum { STORE_COPY_TABLES_MAX = 32 };

enum store_copy_work {
    STORE_COPY_COUNT,   /* says what there is to do, and changes nothing */
    STORE_COPY_ROWS,    /* copies, and compares */
    STORE_COPY_COMPARE, /* only compares */
};

enum store_copy_phase { STORE_COPY_COPYING, STORE_COPY_INDEXING, STORE_COPY_COMPARING };

/* How far it is. */
struct store_copy_state {
    enum store_copy_phase phase;
    struct text what; /* the table or the index */
    int64_t done_rows, total_rows;
};

struct store_copy_request {
    enum store_copy_work work;
    struct text from, to; /* the path of a database file, or the URL of a PostgreSQL database */
    enum store_rest from_rest;
    bool has_target; /* there may be something to look at; else its file need not be looked for */
    bool is_bulk;    /* the source goes on meanwhile, and the target stays unfinished */
    /* Has nobody write to a data directory from now on. `waits`: as soon as it is free, else at once or not
     * at all. False after saying why. */
    bool (*hold)(void *context, bool waits);
    /* Told after each chunk. */
    void (*tell)(void *context, const struct store_copy_state *state);
    void *context;
};

struct store_copy_table {
    struct text name;
    int64_t source_rows, target_rows; /* the latter as far as they were counted */
    char source_hash[SHA256_HEX_LENGTH], target_hash[SHA256_HEX_LENGTH];
    bool is_same;
};

struct store_copy_result {
    struct text source_name, target_name; /* for a person; without a password */
    bool is_resumed;                      /* a copy that was begun before */
    int64_t copied_rows;                  /* now, not before */
    bool is_compared, is_same;            /* when it is not the same, the target stays unfinished */
    size_t table_count;
    struct store_copy_table tables[STORE_COPY_TABLES_MAX];
};

/* Does it. False with a one-line reason (in `arena`) when it cannot be done, or not to its end; unset when
 * `hold` has told. */
bool store_copy(const struct store_copy_request *request, struct store_copy_result *result,
                struct arena *arena, struct text *reason);

#endif
