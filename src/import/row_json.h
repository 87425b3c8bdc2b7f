/* row_json.h: a row as the JSON object that the API takes for a customer. */
#ifndef FARTHING_IMPORT_ROW_JSON_H
#define FARTHING_IMPORT_ROW_JSON_H

#include "base/buffer.h"
#include "import/column_map.h"

struct json_value;

/* Why a row cannot be sent: the field and what is wrong with it. */
struct row_refusal {
    struct text field; /* empty: the row as a whole */
    const char *reason;
};

/* Appends the object of a CSV row, on one line. An empty column is one that is not given. False with the
 * refusal: another number of fields than the header has, or a value that is not UTF-8 or has a NUL. The
 * buffer may then hold a part of the object. */
bool row_json_write(const struct column_map *map, const struct text *fields, size_t field_count,
                    struct buffer *buffer, struct row_refusal *refusal);

/* Whether a field other than metadata has a line end in it, which is hardly ever meant: a missing quote makes
 * one field of several lines. For a row that row_json_write has taken. */
bool row_json_has_line_end(const struct column_map *map, const struct text *fields);

/* Appends the object on a line of JSON with the map's rules applied to its members. Members that no rule
 * names stay as they are. False with the refusal when it is not a JSON object. */
bool row_json_rename(const struct column_map *map, struct text line, struct arena *arena,
                     struct buffer *buffer, struct row_refusal *refusal);

/* Appends a refused line of JSON Lines as one that can be put right and read again: its members behind a
 * member `rejected` with the line's number, the fields and the reason, in place of an older one. What is not
 * a JSON object goes into `rejected` as a string, `row`. With a line end. */
void row_json_write_rejected(struct text line, uint64_t number, struct text field, struct text reason,
                             struct arena *arena, struct buffer *buffer);
/* The name of that member, which is no surprise in a file. */
extern const struct text row_json_rejected;

/* The members of JSON Lines that go nowhere, for a message. */
struct unknown_members {
    const struct text *known; /* what goes somewhere without a rule, ended by an unset text */
    struct arena *arena;
    struct text names[COLUMN_NAMES_SHOWN + 1]; /* the last one only counts */
    size_t count;
};

/* Notes the members of a row that neither `known` nor a rule of the map names. */
void unknown_members_note(struct unknown_members *unknown, const struct column_map *map,
                          const struct json_value *object);
/* "colour, size": empty when there are none. */
struct text unknown_members_list(const struct unknown_members *unknown);

#endif
