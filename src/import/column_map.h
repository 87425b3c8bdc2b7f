/* column_map.h: which column of a file goes into which field.
 *
 * A column that is called as a field is (`email`, `metadata.KEY`; the case of letters does not count) goes
 * there by itself. Rules say it for the others: FIELD=COLUMN, from --map or a preset. Several rules for one
 * field are tried in turn: the first column that is not empty gives the value. FIELD=COLUMN+COLUMN joins two
 * columns with a space, when no column has that very name. A rule of --map takes the place of the preset's
 * rules for its field. */
#ifndef FARTHING_IMPORT_COLUMN_MAP_H
#define FARTHING_IMPORT_COLUMN_MAP_H

#include "base/arena.h"
#include "base/text.h"

enum {
    COLUMN_PARTS_MAX = 3,    /* columns that one rule joins */
    COLUMN_NAMES_SHOWN = 12, /* of a list in a message */
};

/* One column, or several to be joined. */
struct column_source {
    struct column_source *next; /* to be tried when this one is empty */
    struct text names[COLUMN_PARTS_MAX];
    size_t columns[COLUMN_PARTS_MAX];
    unsigned count;
};

/* One field with where its value comes from. */
struct column_target {
    struct column_target *next;
    struct text name; /* "email", "metadata.tier" */
    struct text key;  /* `"email":`, `"tier":` */
    bool is_metadata;
    struct column_source *sources;
};

struct column_rule;

struct column_map {
    struct arena *arena;
    const struct text *fields; /* the names that a column may have, ended by an unset text */
    struct column_rule *rules;
    struct column_rule **rules_end;
    bool keeps_unmapped;      /* a column that goes nowhere becomes metadata of its own name */
    bool has_metadata_suffix; /* a column `KEY (metadata)` is metadata.KEY */

    /* After column_map_bind: fields first, then metadata. */
    struct column_target *targets;
    size_t column_count;
    struct text ignored; /* the columns that go nowhere, for a message; empty: none */
};

void column_map_init(struct column_map *map, const struct text *fields, struct arena *arena);

/* Adds `FIELD=COLUMN,FIELD=COLUMN…`. False with a reason. */
bool column_map_add(struct column_map *map, struct text rules, struct text *reason);
/* Adds a preset's rules (preset.c). False when there is none of this name. */
bool column_map_add_preset(struct column_map *map, struct text name);
/* The names of the presets, for a message. */
struct text column_map_presets(struct arena *arena);
/* Adds one rule of a preset; its column may be missing. */
void column_map_add_optional(struct column_map *map, struct text field, struct text column);

/* Looks the columns up in the header of a CSV file. False with a reason: a rule's column is not there, a name
 * stands there twice, or no column gives external_id. The header's texts are copied. */
bool column_map_bind(struct column_map *map, const struct text *header, size_t count, struct text *reason);
/* The same for JSON Lines, whose rows have names of their own: only the rules count, and any may be missing.
 */
void column_map_bind_names(struct column_map *map);

#endif
