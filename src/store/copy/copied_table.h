/* copied_table.h: the tables of the database, one list: what `farthing copy` copies, and what it must not.
 * Only for the store and its tests, which hold the list against the migrated schema of both engines.
 *
 * What an entity's columns are, its description says (model/entity.h); so a new field is copied without being
 * mentioned here. */
#ifndef FARTHING_STORE_COPY_COPIED_TABLE_H
#define FARTHING_STORE_COPY_COPIED_TABLE_H

#include "model/entity.h"

struct copied_table {
    struct text name;
    const struct entity *entity; /* whose columns it has, behind `scope` when it is SCOPED_BY_ENVIRONMENT */
    bool is_kept;                /* its rows are never removed: what refers to them would be left alone */
};

enum { COPIED_TABLE_COUNT = 16 };

/* In an order in which rows find what they refer to. */
extern const struct copied_table copied_tables[COPIED_TABLE_COUNT];

/* What the target makes for itself: counts and indexes follow from the rows by its triggers, and the others
 * are about the database and not what is in it. Ended by an unset text. */
extern const struct text uncopied_tables[];

/* A row as it is copied: a record of `row`, an entity that is made up for it. Its first field is the row's
 * place, which is no column: where the embedded database has stored it, and 0 on PostgreSQL. */
enum { COPIED_PLACE = 0, COPIED_COLUMNS = 1 };

struct copied_rows {
    const struct copied_table *table;
    const struct entity *row;
    char *records;
    size_t count;
};

static inline void *copied_record(const struct copied_rows *rows, size_t index)
{
    return rows->records + index * rows->row->struct_size;
}

/* The made-up entity, in the arena. */
const struct entity *copied_row_entity(const struct copied_table *table, struct arena *arena);
static inline bool copied_is_scoped(const struct copied_table *table)
{
    return table->entity->scoping == SCOPED_BY_ENVIRONMENT;
}
/* Whether the table's key is a number that the database gives. */
bool copied_is_numbered(const struct copied_table *table);
/* "scope, id, name": the columns, in their order. In the arena. */
struct text copied_column_names(const struct entity *row, struct arena *arena);

#endif
