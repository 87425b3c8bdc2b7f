/* side.h: what a copy asks of the engine on either side of it, besides what every connection can do
 * (store/engine.h). Only for the store.
 *
 * Reading is the same on both: statements on a connection. Writing is not: rows go into PostgreSQL by COPY,
 * and into the embedded database by a statement that is run again and again. */
#ifndef FARTHING_STORE_COPY_SIDE_H
#define FARTHING_STORE_COPY_SIDE_H

#include "store/copy/copied_table.h"
#include "store/engine.h"

/* The table in the target that says how far a copy is. While it is there, nobody else uses the database. */
#define COPY_PROGRESS_TABLE "copy_progress"
#define COPY_UNFINISHED                                                                                      \
    "it holds a copy that is not finished; run the same `farthing copy` again, which goes on where it "      \
    "stopped, or remove what is there"

enum copy_use {
    COPY_READS,       /* a source, or what is compared: read only */
    COPY_READS_WHOLE, /* an embedded database that was closed: a backup */
    COPY_WRITES,
};

/* What a database was found to be. */
enum copy_content {
    COPY_CONTENT_NONE,       /* nothing, or tables that were never used */
    COPY_CONTENT_UNFINISHED, /* a copy */
    COPY_CONTENT_DATABASE,
};

struct copy_found {
    enum copy_content content;
    int schema_version; /* 0: no tables */
    struct text name;   /* for a person; without a password */
};

struct copy_engine {
    const char *kind; /* "sqlite": places of one kind mean nothing to the other */
    /* Rows of two texts: the indexes of the tables that may be away for a while, and what makes each. */
    const char *indexes_sql;
    /* NULL and a one-line reason. Of an embedded database that is written to, the file is made. */
    struct connection *(*open)(struct text database, enum copy_use use, struct copy_found *found,
                               struct arena *arena, struct text *reason);
    void (*close)(struct connection *connection);
    int (*schema_version)(void); /* this program's */
    bool (*migrate)(struct connection *connection, struct arena *arena, struct text *reason);

    /* Statements without rows, outside of what is prepared; everything that was asked before is done. */
    bool (*execute)(struct connection *connection, const char *sql);
    /* From here on what is read is of one moment; `locks`: and nobody writes to it. */
    bool (*hold_still)(struct connection *connection, bool locks, struct arena *arena);
    bool (*begin)(struct connection *connection);
    bool (*commit)(struct connection *connection);
    /* Writes rows, in a transaction. */
    bool (*insert)(struct connection *connection, const struct copied_rows *rows, struct arena *arena);
    /* In the transaction that begins a copy: removes the chains of the audit trail that the migrations have
     * made, since those of the source take their place. */
    bool (*clear_chains)(struct connection *connection, struct arena *arena);
    /* In the transaction that ends it: what new rows are numbered by, and what a writer needs to find. */
    bool (*settle)(struct connection *connection, struct arena *arena);
    /* Before that: has the planner know what there is. NULL: it needs to know nothing. */
    bool (*analyse)(struct connection *connection, struct arena *arena);
    /* What went wrong, in the engine's own words. */
    struct text (*complaint)(struct connection *connection, struct arena *arena);
};

extern const struct copy_engine sqlite_copy_engine, postgres_copy_engine;

#endif
