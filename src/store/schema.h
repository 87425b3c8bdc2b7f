/* schema.h: the schema of a database that no server of this version has open: which migrations it lacks, and
 * running them. `database` is what store_open takes. */
#ifndef FARTHING_STORE_SCHEMA_H
#define FARTHING_STORE_SCHEMA_H

#include "store/store.h"

struct store_migration {
    struct text name;    /* "0007_search" */
    struct text purpose; /* the first sentence of its file: "Lists and searches." */
};

/* The migration that leaves such a database with schema `version`, from 1 to store_schema_version. */
struct store_migration store_migration(struct text database, int version, struct arena *arena);

/* Brings a database that is there to the schema of this program, in one transaction: all of it or nothing. A
 * rehearsal does the same work and rolls it back. The directory of an embedded database is locked by the
 * caller. False with a one-line reason. */
bool store_migrate(struct text database, bool is_rehearsal, struct arena *arena, struct text *reason);

/* Copies the log of an embedded database back, so that its file stands alone, whatever version of the program
 * made it. Its directory is locked by the caller. False with a one-line reason. */
bool store_settle(struct text path, struct arena *arena, struct text *reason);

#endif
